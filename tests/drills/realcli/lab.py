"""The laboratory: the real CLIs in exact versions, and a place of their own to run in.

Everything happens in namespaces: no network but loopback, its own processes (all end with the first one) and its
own /tmp. Each command gets a home of its own, a clean environment and keys that are good for nothing.
"""

import fcntl
import glob
import json
import os
import platform
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 8901
URL = f"http://127.0.0.1:{PORT}"
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}[platform.machine()]

# Under Node 20 a plain install of Claude Code gives an old version, so its platform package is named.
PACKAGES = {
    "claude": (f"@anthropic-ai/claude-code-linux-{MACHINE}", "2.1.332"),
    "codex": ("@openai/codex", "0.171.0"),
    "gemini": ("@google/gemini-cli", "0.61.0"),
    "vibe": ("mistral-vibe", "3.0.2"),
}
NODE = "bundle/gemini.js"
# What the drill itself needs: commands, and the Debian packages that have them.
COMMANDS = [("npm", "npm"), ("node", "nodejs"), ("ip", "iproute2"), ("unshare", "util-linux"), ("git", "git")]


class Failed(Exception):
    """Something that a CLI or an installer did not do as expected."""


def output(*command, cwd=None):
    """Returns what a command prints; it must succeed."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")

    return done.stdout.strip()


def apt(*missing):
    """Installs the Debian packages of commands that are not there: pairs of a command and its package."""
    packages = [package for command, package in missing if not shutil.which(command)]
    if packages:
        output("apt-get", "-qq", "update")
        output("apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages)


def cache_folder():
    """Returns the folder that keeps the CLIs."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.path.realpath(f"{cache}/session-warden-realcli")
    if cache.startswith("/tmp/"):
        print("error: the cache ($XDG_CACHE_HOME) is in /tmp, which the CLIs cannot see", file=sys.stderr)
        sys.exit(2)

    os.makedirs(cache, exist_ok=True)
    return cache


def python_for_vibe(cache):
    """Returns a Python that vibe can run on: 3.12 or newer, of this machine or from uv."""
    folders = ["/usr/bin", "/usr/local/bin", os.path.expanduser("~/.pyenv/versions/*/bin")]
    found = [path for folder in folders for path in glob.glob(f"{folder}/python3.[1-9][0-9]")]
    for python in [sys.executable, *sorted(found)]:
        works = "import sys, ensurepip; sys.exit(sys.version_info < (3, 12))"
        if subprocess.run([python, "-c", works], capture_output=True, check=False).returncode == 0:
            return python

    folder = f"{cache}/uv"
    output(sys.executable, "-m", "venv", folder)
    output(f"{folder}/bin/pip", "install", "--quiet", "uv")
    output(f"{folder}/bin/uv", "python", "install", "3.12")
    return output(f"{folder}/bin/uv", "python", "find", "3.12")


def install(cli, cache, newest):
    """Installs a CLI, unless it is there, and returns its version and its command."""
    package, version = PACKAGES[cli]
    if cli == "vibe":
        return install_vibe(package, version, cache, newest)

    if newest:
        version = output("npm", "view", package, "dist-tags.latest")
    folder = f"{cache}/{cli}-{version}"
    install_npm(folder, f"{package}@{version}")
    if cli == "gemini":
        return version, [shutil.which("node"), f"{folder}/node_modules/{package}/{NODE}"]

    programs = glob.glob(f"{folder}/node_modules/@*/**/{cli}", recursive=True)
    return version, [next(it for it in programs if os.path.isfile(it) and os.access(it, os.X_OK))]


def install_npm(folder, *packages):
    """Installs packages of npm into a folder, unless they are there."""
    if os.path.exists(f"{folder}/complete"):
        return

    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(f"{folder}/package.json", "w", encoding="utf-8") as file:
        file.write('{"private": true}\n')
    output("npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", *packages, cwd=folder)
    open(f"{folder}/complete", "w", encoding="utf-8").close()


def install_pip(folder, python, *packages):
    """Installs packages of PyPI into an environment of their own, unless they are there."""
    if os.path.exists(f"{folder}/complete"):
        return

    shutil.rmtree(folder, ignore_errors=True)
    output(python, "-m", "venv", folder)
    output(f"{folder}/bin/pip", "install", "--quiet", *packages)
    open(f"{folder}/complete", "w", encoding="utf-8").close()


def install_vibe(package, version, cache, newest):
    """The same for vibe, into an environment of its own."""
    python = python_for_vibe(cache)
    if newest:
        # The newest that can be installed: pip passes over one whose dependencies are not there.
        report = ["--dry-run", "--quiet", "--ignore-installed", "--report", "-"]
        planned = json.loads(output(python, "-m", "pip", "install", *report, package))
        found = [it["metadata"] for it in planned["install"]]
        version = next(it["version"] for it in found if it["name"] == package)
    folder = f"{cache}/vibe-{version}"
    install_pip(folder, python, f"{package}=={version}")
    return version, [f"{folder}/bin/vibe"]


def enter(arguments):
    """Runs this program again in namespaces of its own, waits for it, and returns its exit code."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    own = ["--net", "--pid", "--mount", "--ipc", "--fork", "--mount-proc", "--kill-child"]
    inner = [sys.executable, sys.argv[0], "--inside", json.dumps(arguments)]
    child = subprocess.Popen(["unshare", *user, *own, *inner])

    # unshare itself ignores these while it waits; the kernel ends what is inside together with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: child.kill())
    code = child.wait()
    return code if code >= 0 else 128 - code


def as_init(work):
    """Runs `work` in a child and buries every orphan meanwhile, as the first process has to."""
    child = os.fork()
    if child == 0:
        sys.exit(work())

    while True:
        ended, status = os.wait()
        if ended == child:
            sys.exit(os.waitstatus_to_exitcode(status))


class Lab:
    """The place: a home, a model server, and what runs in it. Only inside the namespaces."""

    def __init__(self, root, tools):
        self.root, self.home, self.tools = root, f"{root}/home", tools
        self.folders = 0
        os.makedirs(self.home)
        os.makedirs(f"{root}/tmp", mode=0o1777)
        os.chmod(f"{root}/tmp", 0o1777)
        output("ip", "link", "set", "lo", "up")
        # Before the mount, which hides this folder where it is below /tmp.
        subprocess.Popen([sys.executable, f"{HERE}/mock.py", str(PORT), f"{root}/requests.jsonl"])
        wait_until("the model server listens", lambda: os.path.exists(f"{root}/requests.jsonl"))
        output("mount", "--make-rprivate", "/")
        output("mount", "--bind", f"{root}/tmp", "/tmp")

    def environment(self, **more):
        node = os.path.dirname(shutil.which("node") or "/usr/bin/node")
        return {
            "PATH": f"{node}:/usr/local/bin:/usr/bin:/bin",
            "HOME": self.home,
            "USER": "user",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": URL,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "GOOGLE_GEMINI_BASE_URL": URL,
            "GEMINI_API_KEY": "dummy",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "NO_UPDATE_NOTIFIER": "1",
            "MISTRAL_API_KEY": "dummy",
            **more,
        }

    def folder(self, name=None):
        """Returns a new working folder, or the one of that name."""
        self.folders += 1
        path = f"{self.home}/work/{name or f'project-{self.folders}'}"
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, path, text):
        """Writes a file below the home."""
        os.makedirs(os.path.dirname(f"{self.home}/{path}"), exist_ok=True)
        with open(f"{self.home}/{path}", "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, cli, *arguments, cwd, out=None, **more):
        """Starts a CLI with pipes, in a session of its own."""
        pipe = subprocess.PIPE
        command = [*self.tools[cli], *arguments]
        streams = {"stdin": pipe, "stdout": out or subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        env = self.environment(**more)
        return subprocess.Popen(command, cwd=cwd, env=env, text=True, start_new_session=True, **streams)

    def requests(self):
        """Returns what the model server was asked, oldest first."""
        with open(f"{self.root}/requests.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def run(self, cli, *arguments, cwd, seconds=120):
        """Returns what a CLI prints; it must succeed."""
        command = [*self.tools[cli], *arguments]
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        env = self.environment()
        with subprocess.Popen(
            command, cwd=cwd, env=env, stdin=null, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        ) as child:
            try:
                out, err = child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                out, err = child.communicate()
                raise Failed(f"{cli} {' '.join(arguments)}: not done in {seconds} s: {err[-600:]}") from None

        if child.returncode != 0:
            raise Failed(f"{cli} {' '.join(arguments)}: exit {child.returncode}: {(err or out).strip()[-600:]}")
        return out

    def run_json(self, cli, *arguments, cwd):
        """Returns the JSON object or array that a CLI prints last."""
        out = self.run(cli, *arguments, cwd=cwd)
        return json.loads(out[min(place for place in (out.find("{"), out.find("[")) if place >= 0) :])

    def version(self, cli):
        """Returns the version that a CLI reports."""
        words = self.run(cli, "--version", cwd=self.folder()).split()
        return next(word for word in words if word[0].isdigit())


class Terminal:
    """A CLI in a terminal, as a person starts it."""

    def __init__(self, lab, cli, *arguments, cwd):
        self.screen = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(lab.tools[cli][0], [*lab.tools[cli], *arguments], lab.environment())

        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Keeps what is shown, and answers what a terminal is asked: where the cursor is, and its kind."""
        answers = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?1;2c"}
        try:
            while True:
                select.select([self.master], [], [])
                shown = os.read(self.master, 65536)
                self.screen += shown
                for question, answer in answers.items():
                    if question in shown:
                        os.write(self.master, answer)
        except OSError:
            pass

    def wait_for(self, words, seconds=60):
        """Waits until these words are on the screen."""
        try:
            wait_until(words, lambda: words.encode() in self.screen, seconds)
        except Failed:
            shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|\x1b\][^\x07]*\x07", " ", self.screen.decode(errors="replace"))
            raise Failed(f"not on the screen: {words}; but: {' '.join(shown.split())[-600:]}") from None

    def type(self, text):
        """Types a line, like a person: the return key comes after the text."""
        os.write(self.master, text.encode())
        time.sleep(1)
        os.write(self.master, b"\r")

    def kill(self):
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def wait_until(what, happens, seconds=60, pause=0.1):
    """Waits until `happens` returns something true, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := happens():
            return value
        time.sleep(pause)

    raise Failed(f"not after {seconds} s: {what}")


def same(expected, found):
    """Checks that a CLI resumed the session that it was asked for."""
    if expected != found:
        raise Failed(f"the session became {found} instead of {expected}")
