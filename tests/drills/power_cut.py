#!/usr/bin/env python3
"""Pulls the plug of a disk that holds map and journal, or the map alone, and looks at what it has kept.

usage: power_cut.py BINARY [ROUNDS], 20 by default, of each of six kinds

The disk is a small ext4 in a file, and pulling its plug is ext4's shutdown, which drops the log that is
not yet written. Pulled right after a clean or an undo that exited 0: what that run did is there. Pulled
at a random moment of one: the map is the old one or the new one. After all of them, whatever has gone
can be put back, and what was put back is kept. Needs root, loop devices and e2fsprogs.

Syncing anything writes the whole log, so a journal on the same disk saves a rename that was not synced
itself. Where the journal lies elsewhere, nothing does.
"""

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

from apart import apart, mount, unmount, why_not
from home import Home

EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
SIZE = 16 << 20
# As many sessions as make a run long enough to be hit within.
EACH = 20
CLEAN = ["clean", "--bridge", "off", "--map"]
UNDO = ["undo", "--bridge", "off", "--map"]


class Disk:
    """A disk with a home on it."""

    def __init__(self, base):
        self.image, self.folder = f"{base}/disk.img", f"{base}/disk"
        os.makedirs(self.folder, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)

    @contextmanager
    def plugged_in(self):
        # Nothing is written on its own for as long as a round takes.
        mount("-o", "loop,commit=300", self.image, self.folder)
        try:
            yield
        finally:
            unmount(self.folder)

    def pull_the_plug(self):
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)


def bytes_of(home):
    try:
        with open(home.map, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def what_is_there(home, new):
    now = bytes_of(home)
    if now is None:
        return "gone"
    return {b"": "empty", home.old: "old", new: "new"}.get(now, "mixed")


def new_map(home, binary):
    """What a clean makes of the map; also warms up, so that times can be told."""
    home.clean(binary)
    new = bytes_of(home)
    home.reset()
    shutil.rmtree(f"{home.root}/state")
    return new


def offences(home, binary, is_undo, code, there, new):
    """What is wrong with what the disk has kept."""
    if there not in ("old", "new"):
        yield f"the map is {there}"
        return
    before, after = ("new", "old") if is_undo else ("old", "new")
    if code == 0 and there != after:
        yield f"exited 0, and did not survive: the map is {there}"
    if code == 1 and there != before:
        yield f"exited 1, and the map is {there}"
    if code not in (0, 1, 3):
        yield f"ended with {code}"
    # A clean keeps what was put back; that is known, if the undo knew it.
    if is_undo and there == "old":
        again, _, said = home.run(binary, *CLEAN, home.map)
        if again != 0 or home.gone():
            yield f"what was put back is not kept: {again}, {said}"
    if there == "new":
        again, complaint, _ = home.run(binary, *UNDO, home.map)
        if again != 0 or bytes_of(home) != home.old:
            yield f"cannot be put back: {again}, {complaint}"
    elif not is_undo:
        again, complaint = home.clean(binary)
        if again != 0 or home.gone() != home.idle:
            yield f"the next clean ended with {again}: {complaint}"
    if home.litter():
        yield f"left behind: {home.litter()}"


def one_round(base, binary, is_undo, delay, elsewhere):
    """How the run ended, what the disk has kept, and what is wrong with that."""
    disk = Disk(base)
    with disk.plugged_in():
        home = Home(disk.folder, EACH)
        new = new_map(home, binary)
        if elsewhere:
            shutil.rmtree(f"{base}/state", ignore_errors=True)
            os.makedirs(f"{base}/state")
            os.symlink(f"{base}/state", f"{home.root}/state")
        if is_undo:
            home.clean(binary)
        os.sync()
        command = [*(UNDO if is_undo else CLEAN), home.map]
        if delay is None:
            code, _, _ = home.run(binary, *command)
            disk.pull_the_plug()
        else:
            plug = threading.Timer(delay, disk.pull_the_plug)
            plug.start()
            code, _, _ = home.run(binary, *command)
            plug.join()
    with disk.plugged_in():
        there = what_is_there(home, new)
        return code, there, list(offences(home, binary, is_undo, code, there, new))


def how_long(base, binary):
    """How long a clean and an undo on such a disk take."""
    disk, took = Disk(base), []
    with disk.plugged_in():
        home = Home(disk.folder, EACH)
        new_map(home, binary)
        for command in (CLEAN, UNDO):
            start = time.monotonic()
            home.run(binary, *command, home.map)
            took.append(time.monotonic() - start)
    return took


def drill(base, binary, rounds):
    wrong = 0
    took = how_long(base, binary)
    for is_undo in (False, True):
        what = "an undo" if is_undo else "a clean"
        for during, elsewhere in ((False, False), (False, True), (True, False)):
            outcomes, wrongs = Counter(), []
            for _ in range(rounds):
                delay = random.uniform(0, 1.2 * took[is_undo]) if during else None
                code, there, found = one_round(base, binary, is_undo, delay, elsewhere)
                outcomes[f"exit {code}: {there}"] += 1
                wrongs += found
            when = "during" if during else "right after"
            where = ", its journal elsewhere" if elsewhere else ""
            for it in wrongs:
                print(f"OFFENCE  {when} {what}{where}: {' | '.join(it.splitlines())}")
            counts = ", ".join(f"{outcome} x{count}" for outcome, count in sorted(outcomes.items()))
            print(f"plug pulled {when} {what}{where}: {counts}; {len(wrongs)} offences", flush=True)
            wrong += len(wrongs)
    return wrong


def main():
    binary = os.path.realpath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    if not shutil.which("mkfs.ext4"):
        sys.exit("power_cut.py: mkfs.ext4 is missing; Debian's package is e2fsprogs")
    why = why_not()
    if not why and subprocess.run(["losetup", "--find"], capture_output=True).returncode != 0:
        why = "there is no free loop device"
    if why:
        print(f"not run here: {why}")
        return
    with apart() as base:
        wrong = drill(base, binary, rounds)
    sys.exit(1 if wrong else 0)


main()
