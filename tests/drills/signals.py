#!/usr/bin/env python3
"""Signals to `hold` in a name space of processes whose session lies outside, as in a sandbox.

usage: signals.py BINARY

There the session of each process has the number 0. Every signal that is handed on reaches the command, one
that it handles and one that ends it, and the holder ends as it does, also where the holder is the first
process of the name space. Needs root.
"""

import os
import signal
import subprocess
import sys
import tempfile

HANDED_ON = [
    "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "XFSZ", "IO", "TRAP", "SYS", "ABRT",
]  # fmt: skip
DEADLINE = 60
APART = ["unshare", "--pid", "--mount-proc", "--fork", "--kill-child"]


def holder(binary, home, script):
    return subprocess.Popen(
        [*binary, "hold", "--session", "s", "--", "sh", "-c", f"{script} echo set; while :; do sleep 0.02; done"],
        env={"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(child, send):
    """How the holder ended after that, and what it has said."""
    said = child.stdout.readline()
    send()
    try:
        out, err = child.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        child.kill()
        return None, said, ""
    return child.returncode, said + out, err


def inside(binary, home):
    """From a process beside the holder."""
    if os.getsid(0) != 0:
        yield f"the session has the number {os.getsid(0)}: this shows nothing"
    for name in HANDED_ON:
        number = signal.Signals[f"SIG{name}"]
        for script, code, got in [("", 128 + number, ""), (f"trap 'echo got; exit 9' {name};", 9, "got\n")]:
            child = holder([binary], home, script)
            found = ended(child, lambda: child.send_signal(number))
            if found != (code, f"set\n{got}", ""):
                yield f"{name}: {found}, not {code}"


def as_first(binary, home):
    """From outside, to the first process, which the kernel spares what it does not handle."""
    for name in HANDED_ON:
        number = signal.Signals[f"SIG{name}"]
        child = holder([*APART, binary], home, f"trap 'echo got; exit 9' {name};")

        def send():
            with open(f"/proc/{child.pid}/task/{child.pid}/children", encoding="ascii") as file:
                os.kill(int(file.read()), number)

        found = ended(child, send)
        if found != (9, "set\ngot\n", ""):
            yield f"{name} to the first process: {found}"


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
    print(f"signals in a name space: {3 * len(HANDED_ON)} of them, {'with' if wrong else 'no'} offences")
    sys.exit(1 if wrong else 0)


main()
