#!/usr/bin/env python3
"""Fails one system call of a clean at a time, and looks at what that leaves behind.

usage: faults.py BINARY

First over a map with one idle mapping, whichever call it is; then over a map with many, where only
calls on the folders and files of sessions fail. After each run: the map is the old one, or one in which
nothing is missing that was not idle; 0 means that all that is idle went; nobody panicked; and a clean
without faults then does its work and leaves no temporary file. Needs strace.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

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


class Home:
    """A home with so many active and so many idle sessions of each CLI, and a map of them."""

    def __init__(self, root, each):
        self.root, self.chats, self.idle = root, {}, set()
        # Another sweep's strace names its sessions, which would be in use.
        self.own = os.urandom(6).hex()
        self.map, self.trees = f"{root}/bridge/session_map.json", []
        os.makedirs(f"{root}/bridge")
        for number in range(each):
            for is_idle in (False, True):
                self.session("claude-cli", ".claude/projects/-w-{n}/{id}.jsonl", number, is_idle)
                if each > 1:
                    codex = ".codex/sessions/2026/01/{n:02}/rollout-2026-01-02T03-04-05-{id}.jsonl"
                    gemini = ".gemini/tmp/w{n}/chats/session-2026-01-02T03-04-{short}.jsonl"
                    self.session("codex-cli", codex, number, is_idle)
                    self.session("gemini-cli", gemini, number, is_idle)
        with open(self.map, "w", encoding="utf-8") as file:
            json.dump(self.chats, file)
        with open(self.map, "rb") as file:
            self.old = file.read()
        for folder, _, names in os.walk(f"{root}/home"):
            self.trees += [folder, *(f"{folder}/{name}" for name in names)]

    def session(self, model, where, number, is_idle):
        kinds = ["claude-cli", "codex-cli", "gemini-cli"]
        short = f"{kinds.index(model)}{int(is_idle)}{number:06x}"
        session = f"{short}-0000-4000-8000-{self.own}"
        path = f"{self.root}/home/" + where.format(n=number % 3 + 1, id=session, short=short)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"type": "user", "sessionId": session}, file)
        written = time.time() - (5 * 3600 if is_idle else 60)
        os.utime(path, (written, written))
        chat = f"chat-{model}-{number}-{is_idle}"
        self.chats.setdefault(model, {})[chat] = session
        if is_idle:
            self.idle.add((model, chat))

    def clean(self, binary, *before):
        """How a clean ends, and what it says."""
        environment = {
            "HOME": f"{self.root}/home",
            "XDG_STATE_HOME": f"{self.root}/state",
            "PATH": "/usr/bin:/bin",
        }
        command = [*before, binary, "clean", "--bridge", "off", "--map", self.map]
        ran = subprocess.run(command, env=environment, capture_output=True, timeout=60)
        return ran.returncode, ran.stderr.decode(errors="replace")

    def gone(self):
        """The mappings that are no more; nothing where the file is no map."""
        try:
            with open(self.map, encoding="utf-8") as file:
                left = json.load(file)
            kept = {(model, chat): left[model][chat] for model in left for chat in left[model]}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        all_ = {(model, chat): id_ for model, chats in self.chats.items() for chat, id_ in chats.items()}
        if any(all_.get(key) != kept[key] for key in kept):
            return None
        return set(all_) - set(kept)

    def reset(self):
        with open(self.map, "wb") as file:
            file.write(self.old)

    def litter(self):
        return [name for name in os.listdir(f"{self.root}/bridge") if ".tmp." in name]


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
