#!/usr/bin/env python3
"""Serves for many passes by a clock that runs fast, and looks at its memory and its open files; with a job
that hangs, which has to show; and beside 2,000 clients that connect and are silent, with few open files.

usage: tests/drills/serve.py BINARY [PASSES]

Needs faketime. One line of figures; each offence is a line OFFENCE, and then it ends with 1.
"""

import contextlib
import http.client
import json
import os
import re
import resource
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# How much faster the clock runs: a pass comes every five seconds by that.
SPEED = 100
# What a process may grow by after it has warmed up, in KiB: the allocator's own coming and going.
GROWTH = 1024
WARM = 100

# How many clients are silent, how soon there is an answer beside them, in seconds, and how many are asked for.
SILENT = 2000
SOON = 0.2
ASKED = 40

JOB = """
[[keepalive]]
id = "own"
action = "command"
command = "true"
every = "30s"
attempts = 1
"""


def ask(address: str, path: str) -> str:
    """A page. The server gives a question two seconds, which are short by its clock: so it is tried again."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
                return answer.read().decode()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise SystemExit(f"OFFENCE  {path} is not told")


def passes(address: str) -> int:
    return int(re.search(r"^session_warden_keepalive_passes_total (\d+)$", ask(address, "/metrics"), re.M)[1])


def memory(process: int) -> int:
    """What it has in memory, in KiB."""
    return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)[1])


def hangs(binary: str, offences: list[str]) -> str:
    """A job that never ends: it is healthy for a minute, and then not any more, and says why."""
    with tempfile.TemporaryDirectory() as home, serving(binary, home, JOB.replace("true", "sleep infinity")) as (
        address,
        _,
    ):
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=30):
                    time.sleep(0.1)
            except urllib.error.HTTPError as answer:
                told = json.loads(answer.read())
                if answer.code != 503 or told["reason"] != "no pass has finished for too long":
                    offences.append(f"a job that hangs is told as {answer.code}: {told}")
                return "a job that hangs shows"
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
    offences.append("a job that hangs does not show")
    return "a job that hangs does not show"


def crowd(port: int) -> None:
    """Keeps that many connections open without a word, until it is killed. What is closed is opened again soon."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * SILENT), hard))
    chosen, count = selectors.DefaultSelector(), 0
    while True:
        while count < SILENT:
            client = socket.socket()
            client.setblocking(False)
            # From many addresses.
            client.bind((f"127.0.{count % 200}.{1 + count % 250}", 0))
            with contextlib.suppress(BlockingIOError):
                client.connect(("127.0.0.1", port))
            chosen.register(client, selectors.EVENT_READ)
            count += 1
        print("all there", flush=True)
        time.sleep(0.5)
        for key, _ in chosen.select(0):
            chosen.unregister(key.fileobj)
            key.fileobj.close()
            count -= 1


def crowded(binary: str, files: int, offences: list[str]) -> str:
    """With so many open files at most: how soon it answers beside the crowd, and whether a pass gets on."""
    waits = "touch $HOME/waits; until test -e $HOME/go; do sleep 0.05; done"
    jobs = JOB.replace('"true"', f"'{waits}'") + JOB.replace("own", "second").replace("true", "touch $HOME/ran")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        config = folder / ".config/session-warden/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(jobs)
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", binary, "keepalive", "serve"]
        environment = {"HOME": home, "PATH": os.environ["PATH"]}
        with (
            (folder / "errors").open("w") as errors,
            subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0"], env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as running,
        ):
            try:
                address = running.stdout.readline().split()[-1].removeprefix("http://")
                wait_for(folder / "waits")
                port = address.split(":")[1]
                me = [sys.executable, __file__, "--crowd", port]
                with subprocess.Popen(me, stdout=subprocess.PIPE) as others:
                    others.stdout.readline()
                    # Not the first rush.
                    others.stdout.readline()
                    times = sorted(time_of(address) for _ in range(ASKED))
                    (folder / "go").touch()
                    ran = wait_for(folder / "ran")
                    others.kill()
            finally:
                (folder / "go").touch()
                running.terminate()
        said = (folder / "errors").read_text()
    # One in ten may come at a bad moment of a busy machine.
    late = times[len(times) * 9 // 10 - 1]
    if late > SOON:
        offences.append(f"with {files} files, an answer took {late:.3f} s beside {SILENT} silent clients")
    if not ran or said:
        offences.append(f"with {files} files, no pass got on beside {SILENT} silent clients: {said}")
    middle = statistics.median(times)
    return f"{files} files: answers in {1000 * middle:.1f} ms, at most {1000 * times[-1]:.1f}, beside {SILENT} clients"


def wait_for(path: Path) -> bool:
    for _ in range(600):
        if path.exists():
            return True
        time.sleep(0.1)
    return False


def time_of(address: str) -> float:
    """How long an answer takes, in seconds."""
    time.sleep(0.05)
    start = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=30) as answer:
            answer.read()
    except (OSError, http.client.HTTPException):
        return float("inf")
    return time.monotonic() - start


def is_it(process: int, binary: str) -> bool:
    return os.path.realpath(f"/proc/{process}/exe") == os.path.realpath(binary)


@contextlib.contextmanager
def serving(binary: str, home: str, job: str):
    """The address of one that serves, and its process."""
    config = Path(home, ".config/session-warden/config.toml")
    config.parent.mkdir(parents=True)
    config.write_text(job)
    command = ["faketime", "-f", f"+0 x{SPEED}", binary, "keepalive", "serve", "--listen", "127.0.0.1:0"]
    environment = {"HOME": home, "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        address = running.stdout.readline().split()[-1]
        # It is faketime's child, or what faketime has become, which may have a child of its own by now.
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        process = next(pid for pid in [running.pid, *map(int, children)] if is_it(pid, binary))
        try:
            yield address, process
        finally:
            # A wait with a limit is none by such a clock, so what runs is ended from here.
            for job in Path(f"/proc/{process}/task/{process}/children").read_text().split():
                os.killpg(int(job), signal.SIGKILL)
            os.kill(process, signal.SIGTERM)
            running.stdout.read()
    if running.returncode != 0:
        raise SystemExit(f"OFFENCE  it ended with {running.returncode}")


def main() -> int:
    if sys.argv[1] == "--crowd":
        crowd(int(sys.argv[2]))
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    if not shutil.which("faketime"):
        print("faketime is missing: apt-get install faketime", file=sys.stderr)
        return 1
    offences = []
    with tempfile.TemporaryDirectory() as home, serving(binary, home, JOB) as (address, process):
        figures = watch(address, process, rounds, offences)
    figures = "; ".join([figures, hangs(binary, offences), *(crowded(binary, files, offences) for files in (1024, 64))])
    print(figures)
    for offence in offences:
        print(f"OFFENCE  {offence}")
    return 1 if offences else 0


def watch(address: str, process: int, rounds: int, offences: list[str]) -> str:
    while passes(address) < WARM:
        time.sleep(0.1)
    before, files = memory(process), len(os.listdir(f"/proc/{process}/fd"))
    start, last = passes(address), time.monotonic()
    count, seen = start, start
    while count - start < rounds:
        time.sleep(0.2)
        count = passes(address)
        json.loads(ask(address, "/status"))
        if count > seen:
            seen, last = count, time.monotonic()
        elif time.monotonic() - last > 60:
            offences.append(f"no pass for a minute after {count}")
            break
    after, open_now = memory(process), len(os.listdir(f"/proc/{process}/fd"))
    if after - before > GROWTH:
        offences.append(f"it grew from {before} to {after} KiB")
    if open_now > files + 2:
        offences.append(f"it had {files} files open, and has {open_now}")
    done = json.loads(ask(address, "/status"))["promptCount"]
    if done == 0:
        offences.append("no job ran")
    return f"{count - start} passes, {done} runs: {before} KiB before, {after} KiB after, {open_now} files open"


if __name__ == "__main__":
    sys.exit(main())
