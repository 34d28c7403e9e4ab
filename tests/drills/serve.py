#!/usr/bin/env python3
"""Serves for many passes by a clock that runs fast, and looks at its memory and its open files.

usage: tests/drills/serve.py BINARY [PASSES]

Needs faketime. One line of figures; each offence is a line OFFENCE, and then it ends with 1.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

# How much faster the clock runs: a pass comes every five seconds by that.
SPEED = 200
# What a process may grow by after it has warmed up, in KiB: the allocator's own coming and going.
GROWTH = 1024
WARM = 100

JOB = """
[[keep]]
id = "own"
action = "command"
command = "true"
every = "30s"
attempts = 1
"""


def ask(address: str, path: str) -> str:
    """A page. The server gives a connection ten seconds, which are short by its clock: so it is tried again."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
                return answer.read().decode()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise SystemExit(f"OFFENCE  {path} is not told")


def passes(address: str) -> int:
    return int(re.search(r"^session_warden_keep_passes_total (\d+)$", ask(address, "/metrics"), re.M)[1])


def memory(process: int) -> int:
    """What it has in memory, in KiB."""
    return int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)[1])


def main() -> int:
    binary, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    if not shutil.which("faketime"):
        print("faketime is missing: apt-get install faketime", file=sys.stderr)
        return 1
    offences = []
    with tempfile.TemporaryDirectory() as home:
        config = Path(home, ".config/session-warden/config.toml")
        config.parent.mkdir(parents=True)
        config.write_text(JOB)
        command = ["faketime", "-f", f"+0 x{SPEED}", binary, "keep", "serve", "--listen", "127.0.0.1:0"]
        environment = {"HOME": home, "PATH": os.environ["PATH"]}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as serving:
            address = serving.stdout.readline().split()[-1]
            # It is faketime's child, or what faketime has become.
            children = Path(f"/proc/{serving.pid}/task/{serving.pid}/children").read_text().split()
            process = int(children[0]) if children else serving.pid
            try:
                figures = watch(address, process, rounds, offences)
            finally:
                os.kill(process, signal.SIGTERM)
                serving.stdout.read()
        if serving.returncode != 0:
            offences.append(f"it ended with {serving.returncode}")
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
