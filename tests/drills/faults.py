#!/usr/bin/env python3
"""Fails one system call of a clean at a time, and looks at what that leaves behind.

usage: faults.py BINARY

First over a map with one idle mapping, whichever call it is; then over a map with many, where only
calls on the folders and files of sessions fail. After each run: the map is the old one, or one in which
nothing is missing that was not idle; 0 means that all that is idle went; nobody panicked; and a clean
without faults then does its work and leaves no temporary file. Needs strace.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from home import Home

ERRORS = ["EIO", "ENOSPC", "EACCES", "EINTR"]
OCCURRENCES = range(1, 10)
# Every kind of call that a clean makes on files, folders and threads.
CALLS = [
    "openat", "read", "pread64", "write", "fsync", "renameat2", "unlinkat", "fchmod", "fchown",
    "newfstatat", "statx", "fstat", "fstatfs", "flock", "getdents64", "clone3", "readlink",
]  # fmt: skip
ON_TREES = ["openat", "read", "newfstatat", "fstat", "getdents64"]
# What the Rust runtime ends with after a panic, and after a second one.
PANICKED = [101, 134, -6]


def some_of(mappings):
    return f"{len(mappings)}, such as {sorted(mappings)[:2]}"


def offences(home, binary, code, said):
    """What is wrong after a run that ended so."""
    gone = home.gone()
    if gone is None:
        yield "the map is no map, or holds what was not in it"
        return
    if gone - home.idle:
        yield f"went, and was not idle: {some_of(gone - home.idle)}"
    if code == 0 and gone != home.idle:
        yield f"claims success, and left {some_of(home.idle - gone)}"
    if code in PANICKED or "panicked" in said:
        yield f"panicked: {said}"
    # 2 is for a configuration that cannot be read.
    if code not in (0, 1, 2, 3, 75) and code not in PANICKED:
        yield f"ended with {code}: {said}"
    again, said = home.clean(binary)
    if again != 0 or home.gone() != home.idle:
        left = home.idle - (home.gone() or set())
        yield f"the next clean ended with {again}, and left {some_of(left)}: {said}"
    if home.litter():
        yield f"left behind: {home.litter()}"


def sweep(title, binary, each, calls, on_trees):
    """Every call with every error at every occurrence; how many runs went wrong."""
    runs = [(call, error, nth) for call in calls for error in ERRORS for nth in OCCURRENCES]
    count, failed, wrong = 0, 0, 0

    def some(mine):
        told = []
        with tempfile.TemporaryDirectory(prefix="session-warden-faults-") as root:
            home = Home(root, each)
            # Folders that have long been left alone are not listed twice: that is to be swept as well.
            time.sleep(4)
            paths = [part for path in home.trees for part in ("-P", path)] if on_trees else []
            for call, error, nth in mine:
                home.reset()
                fault = f"inject={call}:error={error}:when={nth}"
                trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *paths]
                # Where an occurrence is within the loader, no clean ever begins; that is one as well.
                code, said = home.clean(binary, *trace)
                started = "error while loading shared libraries" not in said
                wrongs = list(offences(home, binary, code, said)) if started else []
                told.append((code, [f"{call} {error} #{nth} (exit {code}): {it}" for it in wrongs]))
        return told

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for told in pool.map(some, [runs[start::workers] for start in range(workers)]):
            for code, wrongs in told:
                count += 1
                failed += code != 0
                wrong += bool(wrongs)
                for it in wrongs:
                    print(f"OFFENCE  {it}")
    print(f"{title}: {count} runs, {failed} failed and said so, {wrong} offences")
    return wrong


def main():
    binary = os.path.realpath(sys.argv[1])
    if not shutil.which("strace"):
        sys.exit("faults.py: strace is missing; Debian's package is strace")
    can = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True)
    if can.returncode != 0:
        print(f"not run here: strace may not trace: {can.stderr.decode(errors='replace').strip()}")
        return
    wrong = sweep("any call, one idle mapping", binary, 1, CALLS, on_trees=False)
    wrong += sweep("calls on sessions, 60 mappings", binary, 10, ON_TREES, on_trees=True)
    sys.exit(1 if wrong else 0)


main()
