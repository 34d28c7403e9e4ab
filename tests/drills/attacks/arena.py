"""A throw-away home, runs of the binary in it, and what every run must respect."""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from typing import NamedTuple

from home import Home

IS_ROOT = os.geteuid() == 0
# Users that no password file knows: root's attacks run as the first, and the second is hostile.
USER, OTHER = 61234, 61235
DOCUMENTED = (0, 1, 2, 3, 75)
# How long a run may take, which may have to wait for a busy disk, and how long it may work, in seconds, and how much
# memory it may take, in KiB.
LIMIT, WORK, MEMORY = 60, 10, 512 * 1024
HOUR = 3600
# A machine is too busy for the last look, or another attack is about to start a process of the user: both keep
# mappings, and the run is repeated.
BUSY = re.compile("too early 5 times|what process [0-9]+ has open: permission denied")
# Characters that move the cursor, break a line, hide text or change its direction.
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


class NotTried(Exception):
    """Why this machine cannot try an attack."""


class Attack(NamedTuple):
    """A hostile input or situation: what it is, and what does it in an arena."""

    name: str
    act: object


class Ended(NamedTuple):
    """How a run ended, and what it printed."""

    code: int
    out: str
    err: str


class Arena:
    """A home with idle and active sessions of three CLIs, their map, and a victim that no run may touch."""

    def __init__(self, binary, base):
        self.binary, self.root = binary, tempfile.mkdtemp(dir=base)
        os.chmod(self.root, 0o755)
        self.home, self.user = Home(f"{self.root}/user", 2), USER if IS_ROOT else None
        self.map, self.state, self.idle = self.home.map, self.home.state, self.home.idle
        self.secret = f"secret-{os.urandom(8).hex()}"
        os.mkdir(f"{self.root}/elsewhere")
        self.victim = self.write("elsewhere/victim", self.secret, mode=0o600)
        self.give(self.victim, OTHER)
        # A run may write here, and nowhere else.
        self.own = [self.map, f"{os.path.dirname(self.map)}/.session_map.json.session-warden.lock", os.path.dirname(self.state)]
        self.wrong, self.children, self.before, self.map_before = [], [], None, None

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        for folder, names, _ in os.walk(self.root):
            for name in names:
                with contextlib.suppress(OSError):
                    os.chmod(f"{folder}/{name}", 0o700, follow_symlinks=not os.path.islink(f"{folder}/{name}"))
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return f"{self.root}/{name}"

    def write(self, name, content, age=5 * HOUR, mode=0o600):
        """Writes a file, by its path or by its name below the arena, with the folders above it."""
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
        os.chmod(path, mode)
        written = time.time() - age
        os.utime(path, (written, written))
        return path

    def give(self, path, user):
        """Gives a file to that user, which only root can."""
        if IS_ROOT:
            os.lchown(path, user, user)

    def seal(self):
        """Ends the preparation: all that is not another user's is the user's, and is remembered."""
        if IS_ROOT and self.user:
            for path, about in everything(self.path("user")):
                if about.st_uid == 0 and not self.is_victim(about):
                    os.lchown(path, self.user, self.user)
        self.before, self.map_before = self.snapshot(), content(self.map)

    def is_victim(self, about):
        """Whether it is the victim, which may have a second name."""
        return about.st_ino == os.lstat(self.victim).st_ino

    def snapshot(self):
        """What is in the arena, but for what runs may write."""
        found = {}
        for path, about in everything(self.root):
            kind = (about.st_mode, about.st_uid, about.st_gid)
            if path == self.map and stat.S_ISREG(about.st_mode):
                found[path] = kind
            elif path == self.map or not any(path == own or path.startswith(f"{own}/") for own in self.own):
                inner = () if stat.S_ISDIR(about.st_mode) else (about.st_ino, about.st_size, about.st_mtime_ns)
                found[path] = (*kind, *inner)
        return found

    def as_user(self, *command, **options):
        """Starts another program as the user, until the arena is closed."""
        child = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, "cwd": "/", **self.who(), **options})
        self.children.append(child)
        return child

    def who(self):
        return {"user": self.user, "group": self.user, "extra_groups": []} if IS_ROOT and self.user else {}

    def environment(self):
        return {
            "HOME": f"{self.home.root}/home",
            "XDG_STATE_HOME": f"{self.home.root}/state",
            "PATH": "/usr/bin:/bin",
            "CLAUDE_BRIDGE_PORT": "1",
        }

    def start(self, *arguments, environment=(), before=(), **options):
        """Starts such a run, in a session of its own."""
        if self.before is None:
            self.seal()
        options = {"stdin": subprocess.DEVNULL, "cwd": "/", **self.who(), **options}
        variables = {**self.environment(), **dict(environment)}
        variables = {name: value for name, value in variables.items() if value is not None}
        return subprocess.Popen([*before, self.binary, *arguments], env=variables, start_new_session=True, **options)

    def run(self, *arguments, is_hidden=True, **options):
        """Runs that, checks what holds for every run, and returns how it ended."""
        for _ in range(5):
            ended, printed = self.run_once(arguments, options)
            if not BUSY.search(ended.err):
                break
        self.check_run(ended, printed, arguments, is_hidden)
        return ended

    def run_once(self, arguments, options):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = self.start(*arguments, **{"stdout": out, "stderr": err, **options})
            is_late, usage = wait(process, LIMIT)
            printed = []
            for file in (out, err):
                file.seek(0)
                printed.append(file.read())
        if is_late:
            self.wrong.append(f"{arguments[:2]} still ran after {LIMIT} s")
        if usage.ru_utime + usage.ru_stime > WORK or usage.ru_maxrss > MEMORY:
            self.wrong.append(f"{arguments[:2]} took {usage}")
        return Ended(process.returncode, *(text.decode(errors="replace") for text in printed)), printed

    def check_run(self, ended, printed, arguments, is_hidden):
        both = ended.out + ended.err
        if ended.code not in DOCUMENTED:
            self.wrong.append(f"{arguments[:2]} ended with {ended.code}: {ended.err[-300:]}")
        if "panicked at" in both or "RUST_BACKTRACE" in both:
            self.wrong.append(f"panicked: {ended.err[-300:]}")
        if raw := RAW.search(both):
            self.wrong.append(f"printed {raw[0]!a}: {both[max(0, raw.start() - 60) : raw.end() + 20]!a}")
        if b"\xff" in b"".join(printed):
            self.wrong.append("printed what is not UTF-8")
        if is_hidden and self.secret in both:
            self.wrong.append("printed the content of the victim")

    def clean(self, *options, **more):
        return self.run("clean", "--bridge", "off", "--map", self.map, *options, **more)

    def gone(self):
        """The mappings that were removed."""
        return set() if content(self.map) == self.home.old else self.home.gone()

    def expect(self, is_so, what, ended):
        if not is_so:
            self.wrong.append(f"{what}: {ended.code}, {ended.err.strip()[-300:]!a} {ended.out.strip()[-100:]!a}")

    def removed(self, ended, mappings=None):
        """Positive control: exactly the idle mappings, or at least the given ones, were removed."""
        gone = self.gone() or set()
        is_so = gone == self.idle if mappings is None else mappings <= gone
        self.expect(is_so and ended.code in (0, 3), f"removed {len(gone)} mappings", ended)

    def refused(self, ended, name, codes=(1, 2, 3)):
        """Positive control: the run failed, or warned, by that name."""
        self.expect(ended.code in codes and name in ended.err, f"no word of {name}", ended)

    def removed_at_last(self):
        """Positive control: a run without the attack removes exactly the idle mappings."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.removed(self.clean())

    def judge(self):
        """Checks what the runs so far have left behind. What follows is an attack or a control of its own."""
        if self.before is None:
            return
        if content(self.map) != self.map_before:
            gone = self.home.gone()
            if gone is None or gone - self.idle:
                self.wrong.append(f"the map is not valid, or lost mappings in use: {gone}")
        after = self.snapshot()
        for path in sorted(set(self.before) | set(after)):
            if self.before.get(path) != after.get(path):
                self.wrong.append(f"{path.removeprefix(self.root)} changed: {self.before.get(path)} {after.get(path)}")
        for own in self.own[2:]:
            for path, about in everything(own):
                if about.st_uid != OTHER and not self.is_victim(about) and self.secret.encode() in (content(path) or b""):
                    self.wrong.append(f"{path.removeprefix(self.root)} has the content of the victim")
        self.before = None


def everything(folder):
    """Each path below that folder, and the folder, with what lstat reports."""
    with contextlib.suppress(OSError):
        yield folder, os.lstat(folder)
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):
                yield f"{above}/{name}", os.lstat(f"{above}/{name}")


def content(path):
    """The bytes of a regular file that is not sparse; nothing for anything else."""
    with contextlib.suppress(OSError):
        about = os.lstat(path)
        if stat.S_ISREG(about.st_mode) and about.st_size < 1 << 28:
            with open(path, "rb") as file:
                return file.read()
    return None


def wait(process, limit):
    """Waits for that process and kills it after the limit; whether that was so, and what it took."""
    end = time.monotonic() + limit
    while not (found := os.wait4(process.pid, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.005)
    is_late = not found[0]
    if is_late:
        os.killpg(process.pid, signal.SIGKILL)
        found = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(found[1])
    return is_late, found[2]


def as_json(text):
    """That text as one strict JSON value; nothing if it is none."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None
