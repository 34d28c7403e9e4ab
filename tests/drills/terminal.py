#!/usr/bin/env python3
"""Commands under `hold`, in a real terminal with a shell that knows jobs: all is as without it.

usage: terminal.py BINARY

A full-screen program has the terminal, its keys and its size; the keys that interrupt and suspend reach
the command once; a job can be stopped, continued, put in the background and killed, and can stop itself,
alone or with its group; and what the shell then tells of it is the same as of the command alone. Needs bash.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time

DEADLINE = 60
# Takes the whole screen, tells its size when that changes, and each interrupt; ends with 5 at a `q`.
FULL_SCREEN = """
import curses, os, signal, sys
def main(screen):
    told = lambda text: (screen.addstr(text + "\\n"), screen.refresh())
    signal.signal(signal.SIGINT, lambda *_: told("<interrupted>"))
    told("<terminal %s>" % all(os.isatty(stream) for stream in range(3)))
    while (key := screen.getch()) != ord("q"):
        if key == curses.KEY_RESIZE:
            told("<size %dx%d>" % screen.getmaxyx())
        elif key != -1:
            told("<key %d>" % key)
curses.wrapper(main)
sys.exit(5)
"""
# Stops as it is told, whenever it reads a line.
STOPS_ITSELF = """
import os, signal, sys
whom, number = {"itself": os.getpid(), "group": 0}[sys.argv[1]], signal.Signals[sys.argv[2]]
for count, line in enumerate(sys.stdin, 1):
    if line.strip() == "q":
        sys.exit(5)
    os.kill(whom, number)
    print(f"<on {count}>", flush=True)
"""
ROUNDS = 6


class Terminal:
    """A terminal with an interactive bash in it."""

    def __init__(self, folder, binary):
        self.seen = ""
        self.child, self.end = pty.fork()
        if self.child == 0:
            environment = {
                "HOME": folder, "PATH": f"{folder}/bin:/usr/bin:/bin", "TERM": "xterm", "PS1": "$ ",
                "HISTFILE": "/dev/null",
            }  # fmt: skip
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.resize(24, 80)

    def resize(self, rows, columns):
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        self.seen = ""
        os.write(self.end, text.encode())

    def see(self, pattern):
        """Waits until that is on the screen, and returns what it matched."""
        limit = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.end], [], [], max(0, limit - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no {pattern!r} in {self.seen!r}")
            self.seen += os.read(self.end, 65536).decode(errors="replace")
        return found

    def close(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.end)


def full_screen(terminal, before):
    terminal.type(f"{before} python3 screen.py; echo code=$?=\n")
    terminal.see("<terminal True>")
    terminal.type("k")
    terminal.see("<key 107>")
    # Until it waits for the next key: curses does not see what comes before.
    time.sleep(0.3)
    terminal.resize(30, 100)
    terminal.see("<size 30x100>")
    # Twice, and as often as it was typed: not once more by way of the holder.
    terminal.type("\x03")
    terminal.see("<interrupted>")
    terminal.type("\x03")
    terminal.see("<interrupted>")
    time.sleep(0.3)
    terminal.type("k")
    terminal.see("<key 107>")
    yield terminal.seen.count("<interrupted>")
    terminal.type("q")
    yield terminal.see(r"code=(\d+)=").group(1)


def interrupted(terminal, before):
    terminal.type(f"{before} sleep 60\n")
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.see(r"\$ $")
    terminal.type("echo code=$?=\n")
    yield terminal.see(r"code=(\d+)=").group(1)


def suspended(terminal, before):
    terminal.type(f"{before} sh -c 'echo begun; read x; echo read $x; exit 4'\n")
    terminal.see("begun\r\n")
    for _ in range(2):
        terminal.type("\x1a")
        yield terminal.see("Stopped").group()
        terminal.see(r"\$ $")
        # Until bash reads, and until the job has the terminal: a key before that is lost, held or not.
        time.sleep(0.3)
        terminal.type("fg\n")
        terminal.see("exit 4'\r\n")
        time.sleep(0.3)
    terminal.type("words\n")
    yield terminal.see(r"read words").group()
    terminal.see(r"\$ $")
    terminal.type("echo code=$?=\n")
    yield terminal.see(r"code=(\d+)=").group(1)


def background(terminal, before):
    # One that wants to read from the terminal there is stopped, and goes on in the foreground.
    terminal.type(f"{before} cat &\n")
    terminal.see(r"\[1\] \d+")
    time.sleep(0.5)
    terminal.type("\n")
    yield terminal.see("Stopped").group()
    time.sleep(0.3)
    terminal.type("fg\n")
    terminal.see("cat\r\n")
    time.sleep(0.3)
    terminal.type("a line\n")
    terminal.see("a line\r\na line")
    terminal.type("\x04")
    terminal.see(r"\$ $")
    terminal.type("echo code=$?=\n")
    yield terminal.see(r"code=(\d+)=").group(1)


def killed(terminal, before):
    # The whole job is told, and a holder hands that on: what sleeps is not, so that both are one for the shell.
    traps = 'trap "echo got it; exit 6" TERM'
    asleep = '(trap "" TERM; exec sleep 2)'
    terminal.type(f"{before} sh -c '{traps}; echo begun; while :; do {asleep}; done' &\n")
    terminal.see("begun\r\n")
    # Until it waits for what sleeps: before, the shell would act on one of the two at once.
    time.sleep(0.7)
    terminal.type("kill %1; wait %1; echo code=$?=\n")
    code = terminal.see(r"code=(\d+)=").group(1)
    yield terminal.seen.count("got it")
    yield code


def stops_itself(whom, number):
    def case(terminal, before):
        terminal.type(f"{before} python3 stops.py {whom} {number}\n")
        terminal.see(f"{number}\r\n")
        # Until it has the terminal.
        time.sleep(0.3)
        for count in range(1, ROUNDS + 1):
            terminal.type("\n")
            terminal.see("Stopped")
            terminal.see(r"\$ $")
            time.sleep(0.1)
            terminal.type("fg\n")
            terminal.see(f"<on {count}>")
            # It goes on, and is not stopped again.
            time.sleep(0.1)
        terminal.type("q\n")
        terminal.see(r"\$ $")
        terminal.type("echo code=$?=\n")
        yield terminal.see(r"code=(\d+)=").group(1)

    case.__name__ = f"{number} to {whom}"
    return case


def main():
    binary = os.path.realpath(sys.argv[1])
    if not shutil.which("bash"):
        sys.exit("terminal.py: bash is missing; Debian's package is bash")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="session-warden-terminal-") as folder:
        os.mkdir(f"{folder}/bin")
        os.symlink(binary, f"{folder}/bin/session-warden")
        with open(f"{folder}/screen.py", "w", encoding="utf-8") as file:
            file.write(FULL_SCREEN)
        with open(f"{folder}/stops.py", "w", encoding="utf-8") as file:
            file.write(STOPS_ITSELF)
        cases = [full_screen, interrupted, suspended, background, killed]
        cases += [stops_itself(whom, number) for whom in ("itself", "group") for number in ("SIGTSTP", "SIGSTOP")]
        held = "session-warden hold --session s --"
        for case in cases:
            found = []
            for before in ("", held, f"{held} {held}"):
                terminal = Terminal(folder, binary)
                try:
                    terminal.see(r"\$ $")
                    found.append(list(case(terminal, before)))
                except TimeoutError as error:
                    found.append(str(error))
                finally:
                    terminal.close()
            if found[1:] != 2 * found[:1] or isinstance(found[0], str):
                print(f"OFFENCE  {case.__name__}: alone {found[0]}, held {found[1]}, held twice {found[2]}")
                wrong += 1
        held = os.listdir(f"{folder}/.local/state/session-warden/holds")
        if held:
            print(f"OFFENCE  still held: {held}")
            wrong += 1
    print(f"in a terminal: {len(cases)} cases, each without hold, with one and with two, {wrong} offences")
    sys.exit(1 if wrong else 0)


main()
