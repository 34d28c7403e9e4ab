#!/usr/bin/env python3
"""Cleans where something is full, read-only, somebody else's, mounted, not there, or too little.

usage: limits.py BINARY

Each case has the exit code that is honest there, what standard error is to say, and which CLIs' mappings
are to stay. In all of them: a run that says it failed has left the map's bytes and its file as they were,
nothing goes that is not idle, nobody panics, each line of standard error is a whole one, and with the
limit lifted a clean does its work, an undo takes it back to the byte, and there is no temporary file.
Needs root: users, mounts and limits are its own, and go with it.
"""

import os
import re
import shutil
import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

from apart import apart, why_not
from home import Home
from obstacles import PAGE, changed, full, mounted_map, no_inodes, read_only, started, vanished

# Users that no password file knows.
USER, OTHER = 61234, 61235
CLAUDE, CODEX, GEMINI = "claude-cli", "codex-cli", "gemini-cli"
ALL = {CLAUDE, CODEX, GEMINI}
EACH = 10
ROOTS = {CLAUDE: "home/.claude/projects", CODEX: "home/.codex/sessions", GEMINI: "home/.gemini/tmp"}
STATE = "state/session-warden"
LOCK = "bridge/.session_map.json.session-warden.lock"
# A line of a run, of a warning, or of a hint.
OUT_OF_MEMORY = ("memory allocation of ", "Fatal glibc error: failed to register TLS destructor: out of memory")
LINE = re.compile(r"(error|warning|hint): \S.*")
PANICKED = [101, 134, -6]


class Case(NamedTuple):
    """What is in the way, how a clean is then to end, what it says, and whose mappings all stay."""

    name: str
    obstacle: object
    code: int
    said: str = ""
    stay: set = set()
    user: int = 0


NO_SPACE, READ_ONLY, DENIED = "no space left", "read-only file system", "permission denied"
WRONG_HOME = "wrong home?"
METRICS = ["--metrics", "{}/metrics/warden.prom"]
LOG = ["--log", "{}/metrics/log"]
TO_FULL = ["sh", "-c", 'exec "$@" >/dev/full', "sh"]
HIDDEN_PROC = 'mount -t tmpfs -o mode="$0" drill /proc; exec "$@"'
NO_PROC, CLOSED_PROC = [["unshare", "--mount", "sh", "-c", HIDDEN_PROC, mode] for mode in ("0755", "0")]

CASES = [
    Case("the map's disk is full", full("bridge"), 1, NO_SPACE),
    Case("the map's disk has no inode left", no_inodes, 1, NO_SPACE),
    Case("the state folder's disk is full", full("state"), 1, NO_SPACE),
    Case("the metrics' disk is full", full("metrics", metrics=METRICS), 3, NO_SPACE),
    Case("the log's disk is full", full("metrics", metrics=LOG), 3, NO_SPACE),
    Case("the report goes to a full disk", started(*TO_FULL), 3, NO_SPACE),
    Case("the map's folder is read-only", read_only("bridge"), 1, READ_ONLY),
    Case("the state folder is read-only", read_only("state"), 1, READ_ONLY),
    Case("homes are read-only", read_only("home"), 0),
    Case("the map is mounted as a single file", mounted_map, 1, "mount its folder"),
    Case("no second thread", started("prlimit", "--nproc=1"), 0, user=USER),
    Case("no /proc", started(*NO_PROC), 0),
    Case("a /proc that is closed", started(*CLOSED_PROC), 3, "cannot read /proc", ALL, USER),
    Case("nobody to tell whose home", started("env", "-u", "HOME"), 1, "home folder", user=USER),
    Case("the map cannot be read", changed("bridge/session_map.json", 0), 1, DENIED, user=USER),
    Case("another's map", changed("bridge/session_map.json", 0o644, OTHER), 1, f"user {OTHER}", user=USER),
    Case("a folder to read only", changed("bridge", 0o555, 0), 1, DENIED, user=USER),
    Case("a folder to pass through only", changed("bridge", 0o711, 0), 1, DENIED, user=USER),
    Case("one's own map in a sticky folder", changed("bridge", 0o1777, OTHER), 0, user=USER),
    Case("another's lock", changed(LOCK, 0o600, OTHER), 1, DENIED, user=USER),
    Case("another's state folder", changed(STATE, 0o700, OTHER), 1, "belongs to user", user=USER),
    Case("a state folder to read only", changed(STATE, 0o500), 1, DENIED, user=USER),
    Case("no state folder, and none may be made", changed("state", 0o555, 0), 1, DENIED, user=USER),
    Case("a Claude folder that is closed", changed(f"{ROOTS[CLAUDE]}/-w-2", 0), 3, DENIED, {CLAUDE}, USER),
    Case("a Codex day that is closed", changed(f"{ROOTS[CODEX]}/2026/01/02", 0), 3, DENIED, {CODEX}, USER),
    Case("a Gemini folder that is closed", changed(f"{ROOTS[GEMINI]}/w2", 0), 3, DENIED, {GEMINI}, USER),
    Case("a home that is closed", changed("home", 0, OTHER), 2, DENIED, ALL, USER),
    Case("an empty home is mounted", vanished("home"), 3, "no folder of sessions", ALL),
    Case("an empty year is mounted", vanished(f"{ROOTS[CODEX]}/2026"), 3, WRONG_HOME, {CODEX}),
]  # fmt: skip
for model, root in ROOTS.items():
    above = os.path.dirname(root)
    CASES += [
        Case(f"another's {root}", changed(root, 0o755, OTHER), 3, f"belongs to user {OTHER}", {model}, USER),
        Case(f"{root} is closed", changed(root, 0), 3, DENIED, {model}, USER),
        Case(f"{root} is read-only", read_only(root), 0),
        Case(f"an empty {root} is mounted", vanished(root), 3, WRONG_HOME, {model}),
        Case(f"an empty {above} is mounted", vanished(above, "--missing", "remove"), 3, "no folder", {model}),
    ]

# Each of these is one thing that gets less and less scarce, until a run can do all of its work.
SWEEPS = {
    "pages left for the map": [full("bridge", pages) for pages in range(20)],
    "pages left for the state folder": [full("state", pages) for pages in range(12)],
    "bytes that a file may have": [
        started("prlimit", f"--fsize={size}") for size in (0, 1, *range(1000, 80_000, 3000))
    ],
    "open files": [started("prlimit", f"--nofile={count}") for count in range(3, 41)],
}


def more_and_more_addresses(binary):
    """From what the program needs to begin at all, to more than it could use."""

    def begins(size):
        tried = subprocess.run(["prlimit", f"--as={size << 10}", binary, "--version"], capture_output=True)
        return tried.returncode == 0

    least = bisect_left(range(1 << 20), True, key=begins)
    sizes = [least + more for more in (*range(0, 2000, 40), 100_000)]
    return [started("prlimit", f"--as={size << 10}") for size in sizes]


def offences(home, binary, case, is_sweep):
    """How a clean ended there, and what is wrong with that, and after it."""
    wrong = []
    user = ["setpriv", f"--reuid={case.user}", f"--regid={case.user}", "--clear-groups"] if case.user else []
    with case.obstacle(home) as (before, options):
        inode = os.stat(home.map).st_ino
        command = ["clean", "--bridge", "off", "--map", home.map, *options]
        code, complaint, report = home.run(binary, *command, before=[*before, *user])
        if "error while loading shared libraries" in complaint or code == 127:
            return "did not begin", []
        gone = home.gone()
        with open(home.map, "rb") as file:
            is_as_it_was = (os.stat(file.fileno()).st_ino, file.read()) == (inode, home.old)
    # Neither Rust nor glibc has another way to report that no memory is left.
    is_out_of_memory = code == -6 and complaint.startswith(OUT_OF_MEMORY)
    if not is_sweep and code != case.code:
        wrong.append(f"ended with {code}, not {case.code}: {complaint}")
    if is_sweep and code not in (0, 1, 3) and not is_out_of_memory:
        wrong.append(f"ended with {code}: {complaint}")
    if (code in PANICKED and not is_out_of_memory) or "panicked" in complaint:
        wrong.append(f"panicked: {complaint}")
    lines = complaint.splitlines()
    if not is_out_of_memory and not all(LINE.fullmatch(line) for line in lines):
        wrong.append(f"says it badly: {complaint}")
    if case.said not in complaint.lower() or (code in (1, 3) and not lines):
        wrong.append(f"does not say {case.said!r}: {complaint}")
    if code == 1 and (len([line for line in lines if not line.startswith("hint: ")]) != 1 or report):
        wrong.append(f"one error should be one line, and no report: {complaint}{report}")
    if code in (1, 2) and not is_as_it_was:
        wrong.append("failed, and the map is not as it was")
    should_go = {mapping for mapping in home.idle if mapping[0] not in case.stay}
    if gone is None or gone - should_go:
        wrong.append(f"the map is no map, or lost what should stay: {gone and len(gone - should_go)}")
    elif gone != should_go and (code == 0 or (code == 3 and not is_sweep)):
        wrong.append(f"ended with {code}, and left {len(should_go - gone)} idle mappings")
    return f"exit {code}", wrong + list(afterwards(home, binary, user))


def afterwards(home, binary, user):
    """What is wrong once the obstacle has gone."""
    again, complaint = home.clean(binary, *user)
    if again != 0 or complaint or home.gone() != home.idle:
        yield f"the next clean ended with {again}: {complaint}"
    home.undo_all(binary, *user)
    with open(home.map, "rb") as file:
        if file.read() != home.old:
            yield "undo does not give the map back"
    if home.litter():
        yield f"left behind: {home.litter()}"


def run(base, binary, number, case, is_sweep):
    home = Home(f"{base}/{number}", EACH)
    # So large that a limit can be too small for the map, and not for the journal.
    home.old += b" " * (16 * PAGE)
    home.reset()
    if case.user:
        for folder, _, names in os.walk(home.root):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                os.chown(path, case.user, case.user)
    code, wrong = offences(home, binary, case, is_sweep)
    # All of it is in memory; what is mounted in there goes at the end.
    shutil.rmtree(home.root, ignore_errors=True)
    for it in wrong:
        print(f"OFFENCE  {case.name}: {' | '.join(it.splitlines())}")
    return code, len(wrong)


def drill(base, binary):
    codes, wrong, number = Counter(), 0, 0
    for number, case in enumerate(CASES):
        code, wrongs = run(base, binary, number, case, is_sweep=False)
        codes[code] += 1
        wrong += wrongs
    print(f"{len(CASES)} cases: {told(codes)}; {wrong} offences", flush=True)
    sweeps = SWEEPS | {"KiB of addresses": more_and_more_addresses(binary)}
    for name, limits in sweeps.items():
        codes, sweep_wrong = Counter(), 0
        for step, limit in enumerate(limits):
            number += 1
            code, wrongs = run(base, binary, number, Case(f"{name}, step {step}", limit, 0), is_sweep=True)
            codes[code] += 1
            sweep_wrong += wrongs
        if code != "exit 0" or len(codes) < 2:
            print(f"OFFENCE  {name}: {code} at its most, and nothing else than {told(codes)}")
            sweep_wrong += 1
        print(f"{name}, {len(limits)} steps: {told(codes)}; {sweep_wrong} offences", flush=True)
        wrong += sweep_wrong
    return wrong


def told(codes):
    return ", ".join(f"{code} x{count}" for code, count in sorted(codes.items()))


def main():
    why = why_not()
    if why:
        print(f"not run here: {why}")
        return
    with apart() as base:
        # Other users may not reach the one that was named.
        binary = shutil.copy(sys.argv[1], base)
        wrong = drill(base, binary)
    sys.exit(1 if wrong else 0)


main()
