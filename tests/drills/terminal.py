#!/usr/bin/env python3
"""Commands under `hold`, in a real terminal with a shell that knows jobs: all is as without it.

usage: terminal.py BINARY

The command is the process that the shell has started, so the terminal treats it as any other. What could
still go wrong is the watcher beside it: it must not read from the terminal, get its keys, keep a job from
ending, or end before the command; and the hold must last as long as the command. Needs bash.
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
# Takes the whole screen, shows its size when that changes, and each interrupt; ends with 5 at a `q`.
FULL_SCREEN = """
import curses, os, signal, sys
def main(screen):
    show = lambda text: (screen.addstr(text + "\\n"), screen.refresh())
    signal.signal(signal.SIGINT, lambda *_: show("<interrupted>"))
    show("<terminal %s>" % all(os.isatty(stream) for stream in range(3)))
    while (key := screen.getch()) != ord("q"):
        if key == curses.KEY_RESIZE:
            show("<size %dx%d>" % screen.getmaxyx())
        elif key != -1:
            show("<key %d>" % key)
curses.wrapper(main)
sys.exit(5)
"""


class Terminal:
    """A terminal with an interactive bash in it."""

    def __init__(self, folder):
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
        self.see(r"\$ $")

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

    def code(self):
        self.see(r"\$ $")
        self.type("echo code=$?=\n")
        return self.see(r"code=(\d+)=").group(1)

    def close(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.end)


def full_screen(terminal, before):
    terminal.type(f"{before} python3 screen.py\n")
    terminal.see("<terminal True>")
    terminal.type("k")
    terminal.see("<key 107>")
    # Until it waits for the next key: curses does not see what comes before.
    time.sleep(0.3)
    terminal.resize(30, 100)
    terminal.see("<size 30x100>")
    for _ in range(2):
        terminal.type("\x03")
        terminal.see("<interrupted>")
    time.sleep(0.3)
    terminal.type("k")
    terminal.see("<key 107>")
    yield terminal.seen.count("<interrupted>")
    terminal.type("q")
    yield terminal.code()


def interrupted(terminal, before):
    terminal.type(f"{before} sh -c 'echo begun; exec sleep 60'\n")
    terminal.see("begun\r\n")
    time.sleep(0.1)
    terminal.type("\x03")
    yield terminal.code()


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
    yield terminal.code()


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
    yield terminal.code()


def hung_up(terminal, before):
    """The terminal is closed while the command goes on without it: it is held until its end."""
    mark = f"mark-{len(before)}"
    terminal.type(f"{before} sh -c 'trap \"\" HUP; echo begun; sleep 2; ls .local/state/*/holds > {mark}'\n")
    terminal.see("begun\r\n")
    os.close(terminal.end)
    terminal.end = os.open("/dev/null", os.O_RDONLY)
    limit = time.monotonic() + DEADLINE
    while not os.path.exists(mark):
        if time.monotonic() > limit:
            raise TimeoutError(f"no {mark}")
        time.sleep(0.1)
    time.sleep(0.5)
    with open(mark, encoding="utf-8") as file:
        held = len(file.read().split())
    if held != before.count("hold"):
        yield f"{held} holds after the terminal was closed"
    yield "went on"


def left(folder):
    """What is left of a hold whose command has ended: after a while, nothing."""
    holds = f"{folder}/.local/state/session-warden/holds"
    limit = time.monotonic() + DEADLINE
    while files := os.path.isdir(holds) and os.listdir(holds):
        if time.monotonic() > limit:
            return files
        time.sleep(0.05)
    return []


def main():
    binary = os.path.realpath(sys.argv[1])
    if not shutil.which("bash"):
        sys.exit("terminal.py: bash is missing; Debian's package is bash")
    wrong = 0
    cases = [full_screen, interrupted, suspended, background, hung_up]
    held = "session-warden hold --session s --"
    with tempfile.TemporaryDirectory(prefix="session-warden-terminal-") as folder:
        os.mkdir(f"{folder}/bin")
        os.symlink(binary, f"{folder}/bin/session-warden")
        with open(f"{folder}/screen.py", "w", encoding="utf-8") as file:
            file.write(FULL_SCREEN)
        os.chdir(folder)
        for case in cases:
            found = []
            for before in ("", held, f"{held} {held}"):
                terminal = Terminal(folder)
                try:
                    found.append(list(case(terminal, before)))
                except TimeoutError as error:
                    found.append(str(error))
                finally:
                    terminal.close()
                if files := left(folder):
                    found[-1] = f"still held: {files}"
            if found[1:] != 2 * found[:1] or isinstance(found[0], str):
                print(f"OFFENCE  {case.__name__}: alone {found[0]}, held {found[1]}, held twice {found[2]}")
                wrong += 1
        os.chdir("/")
    print(f"in a terminal: {len(cases)} cases, each without hold, with one and with two, {wrong} offences")
    sys.exit(1 if wrong else 0)


main()
