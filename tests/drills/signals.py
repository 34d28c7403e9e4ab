#!/usr/bin/env python3
"""`hold` in a name space of processes whose session lies outside, as in a sandbox or a container.

usage: signals.py BINARY

There the session of each process has the number 0, and the first process is the parent of all orphans, of a
watcher as well. The command gets every signal that it handles, ends as it would by itself, is held meanwhile
and leaves no hold, whether it is the first process or not. Needs root.
"""

import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

SIGNALS = ["HUP", "INT", "QUIT", "TERM", "USR1", "ALRM", "CONT"]
DEADLINE = 60
APART = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child"]


def under_hold(binary, home, script):
    return subprocess.Popen(
        [*binary, "hold", "--session", "s", "--", "sh", "-c", f"{script} echo set; while :; do sleep 0.02; done"],
        env={"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def holds(home):
    return glob.glob(f"{home}/.local/state/session-warden/holds/*.json")


def ended(child, home, send):
    """How many holds there were, how the command ended after that, and what it printed."""
    out = child.stdout.readline()
    held = len(holds(home))
    send()
    try:
        rest, err = child.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        child.kill()
        return held, None, out, ""
    return held, child.returncode, out + rest, err


def inside(binary, home):
    """From a process beside the command."""
    if os.getsid(0) != 0:
        yield f"the session has the number {os.getsid(0)}: this shows nothing"
    for name in SIGNALS:
        number = signal.Signals[f"SIG{name}"]
        rows = [(f"trap 'echo got; exit 9' {name};", 9, "got\n")]
        if name != "CONT":
            rows.append(("", -number, ""))
        for script, code, got in rows:
            child = under_hold([binary], home, script)
            found = ended(child, home, lambda: child.send_signal(number))
            if found != (1, code, f"set\n{got}", ""):
                yield f"{name}: {found}, not {code}"
            limit = time.monotonic() + DEADLINE
            while files := holds(home):
                if time.monotonic() > limit:
                    yield f"{name}: still held: {files}"
                    break
                time.sleep(0.01)


def as_first(binary, home):
    """From outside, to the first process, which the kernel spares what it does not handle."""
    for name in SIGNALS:
        number = signal.Signals[f"SIG{name}"]
        child = under_hold([*APART, binary], home, f"trap 'echo got; exit 9' {name};")

        def send():
            with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as file:
                os.kill(int(file.read()), number)

        found = ended(child, home, send)
        if found != (1, 9, "set\ngot\n", ""):
            yield f"{name} to the first process: {found}"
        # Its watcher has ended with the name space; what is left is dead for whoever looks.
        for file in holds(home):
            os.remove(file)


def tell(wrong):
    for it in wrong:
        print(f"OFFENCE  {it}")
    return len(wrong)


def main():
    binary = os.path.realpath(sys.argv[-1])
    with tempfile.TemporaryDirectory(prefix="session-warden-signals-") as home:
        if sys.argv[1] == "--inside":
            sys.exit(1 if tell(list(inside(binary, home))) else 0)
        tried = subprocess.run([*APART, "true"], capture_output=True, text=True)
        if os.geteuid() != 0 or tried.returncode:
            print(f"not run here: name spaces need root, and may be forbidden {tried.stderr.strip()}")
            return
        beside = subprocess.run([*APART, sys.executable, __file__, "--inside", binary]).returncode
        wrong = bool(beside) + tell(list(as_first(binary, home)))
    print(f"signals in a name space: {3 * len(SIGNALS) - 1} of them, {'with' if wrong else 'no'} offences")
    sys.exit(1 if wrong else 0)


main()
