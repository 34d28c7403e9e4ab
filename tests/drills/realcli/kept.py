"""Processes that no run may end, and the reason that the report has to give."""

import collections
import glob
import json
import os
import subprocess
import sys

import claude
from lab import Failed, output, wait_until
from residents import ALLOWED, Resident, hook

# `reasons` are words that the row may have, one of them; nothing if it has no row of the process.
Case = collections.namedtuple("Case", "name id pid reasons")

SHELL = "a background shell runs"
# Its output goes to a file of the session, which keeps the mapping of an idle session as well.
USES = "uses the session"
# Claude Code takes the lock of its folder's schedules for each of them, also for one that is not durable.
DURABLE = "a schedule of its folder is set"

# A bridge in a terminal's foreground: its CLIs have that terminal, and a pipe as standard input.
IN_TERMINAL = """import fcntl, os, pty, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
os.set_inheritable(master, True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def cases(lab, tool):
    """Starts them all, and returns their cases."""
    makers = [
        in_a_turn,
        asks_for_permission,
        *(works(*work) for work in WORKS),
        async_hook,
        person,
        in_terminal,
        held,
        pinned,
        unread,
        reused_pid,
        other_namespace,
        other_boot,
        unmapped,
    ]
    return [maker(lab, tool) for maker in makers]


def case(name, resident, *reasons):
    return Case(name, resident.id, resident.pid, reasons)


def in_a_turn(lab, _tool):
    return case("in a turn", Resident(lab, first="wait=900").become("busy"), "status is busy")


def asks_for_permission(lab, _tool):
    asks = ["--permission-mode", "default", "--permission-prompt-tool", "stdio"]
    return case("waits for permission", Resident(lab, *asks, first="use=shell").become("waiting"), "status is waiting")


# What the model asks for, the folder where that is, and the reasons.
WORKS = [
    ("background", None, (SHELL, USES)),
    ("bare", None, (SHELL, USES)),
    ("monitor", None, (SHELL,)),
    ("durable", "schedules", (DURABLE,)),
    # Here the one above has the lock, so only the transcripts show it.
    ("cron", "schedules", ("a schedule was set",)),
    ("wakeup", "schedules", ("a wakeup was set",)),
    ("cron", None, ("a schedule was set", DURABLE)),
    ("wakeup", None, ("a wakeup was set", DURABLE)),
]


def works(use, folder, reasons):
    """Returns the maker of a case whose model calls a tool."""

    def make(lab, _tool):
        resident = Resident(lab, ALLOWED, first=f"use={use}", cwd=lab.folder(folder)).wait_idle()
        return case(f"use={use} in {folder or 'a folder of its own'}", resident, *reasons)

    return make


def async_hook(lab, _tool):
    resident = Resident(lab, *hook("Stop", "sleep 900", **{"async": True})).wait_idle()
    return case("with an asynchronous hook", resident, SHELL)


def person(lab, _tool):
    terminal = claude.in_terminal(lab)
    terminal.type("new")
    id_ = wait_until("a session", lambda: claude.of_process(lab, terminal.pid))
    claude.become(lab, id_, "idle")
    return Case("a person's terminal", id_, terminal.pid, ("entrypoint is cli", "has a terminal"))


def in_terminal(lab, _tool):
    resident = Resident(lab, before=[sys.executable, "-c", IN_TERMINAL]).wait_idle()
    return case("with a terminal", resident, "has a terminal")


def held(lab, tool):
    resident = Resident(lab).wait_idle()
    code, _, err = tool.run("hold", "start", "--session", resident.id, "--key", "drill", "--pid", str(os.getpid()))
    if code != 0:
        raise Failed(f"hold start: exit {code}: {err}")
    return case("held", resident, "held")


def pinned(lab, _tool):
    # Its chat is pinned once it is mapped.
    return case("pinned", Resident(lab).wait_idle(), "pinned")


def unread(lab, _tool):
    """One that does not come to read its input: its control group is frozen, which leaves it asleep."""
    groups = f"{lab.root}/groups"
    os.makedirs(groups)
    output("mount", "-t", "cgroup2", "none", groups)
    group = f"{groups}/drill-{os.path.basename(lab.root)}"
    os.makedirs(group)
    resident = Resident(lab).wait_idle()
    for name, value in (("cgroup.procs", resident.pid), ("cgroup.freeze", 1)):
        with open(f"{group}/{name}", "w", encoding="utf-8") as file:
            file.write(str(value))
    resident.say("unread")
    return case("with unread input", resident, "has unread input")


def thaw(lab):
    """Lets the frozen one run, and end."""
    for group in glob.glob(f"{lab.root}/groups/drill-*"):
        with open(f"{group}/cgroup.kill", "w", encoding="utf-8") as file:
            file.write("1")
        wait_until("the group is empty", lambda: is_empty(group), 10)
        os.rmdir(group)


def is_empty(group):
    with open(f"{group}/cgroup.events", encoding="utf-8") as file:
        return "populated 0" in file.read()


def reused_pid(lab, _tool):
    """A record that a killed process has left, and another program that got its pid."""
    resident = Resident(lab).wait_idle()
    resident.kill()
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="utf-8") as file:
            file.write(str(resident.pid - 1))
        other = subprocess.Popen(["sleep", "900"])
        if other.pid == resident.pid:
            return Case("a reused pid", resident.id, other.pid, ())
        other.kill()
        other.wait()

    raise Failed(f"no process got the pid {resident.pid}")


def other_namespace(lab, _tool):
    own = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    resident = Resident(lab, before=own)
    wait_until("it has answered", resident.answers)
    with open(f"/proc/{resident.pid}/task/{resident.pid}/children", encoding="utf-8") as file:
        pid = int(file.read().split()[0])
    return Case("of another PID namespace", resident.id, pid, ("another process", "used recently"))


def other_boot(lab, _tool):
    resident = Resident(lab).wait_idle()
    path = f"{lab.home}/.claude/sessions/{resident.pid}.json"
    with open(path, encoding="utf-8") as file:
        record = json.load(file)
    record["startedAt"] -= 24 * 3600 * 1000
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file)
    return case("of another boot", resident, "its record is of another boot")


def unmapped(lab, _tool):
    return case("unmapped", Resident(lab).wait_idle())
