"""Processes and process records that claim to be what they are not. No process may get a signal."""

import json
import os
import shutil
import socket
import subprocess
import time
from functools import partial

from arena import HOUR, IS_ROOT, OTHER, Attack, NotTried, content

WHO = {
    "init": 1, "nothing": 0, "a group": -1, "all": -(1 << 31), "2^31": 1 << 31, "2^63": 1 << 63, "2^64": 1 << 64, "a fraction": 1.5,
    "a text": "1", "null": None, "a list": [1], "the drill itself": "drill", "a process of the user": "victim",
    "another user's process": "other",
}  # fmt: skip
LIVING = ("init", "a process of the user", "another user's process", "the drill itself")
# What a forged record has besides.
VALID = "as it should be"
FORGED = {
    VALID: {}, "no start": {"procStart": None}, "another start": {"procStart": "1"}, "busy": {"status": "busy"},
    "a status of poison": {"status": "\x1b[2J\u202e", "name": "\n\x9b31m"}, "no socket": {"messagingSocketPath": None},
    "another name space": {"pidDomain": "linux:x:pid:[1]"}, "a start in the future": {"startedAt": 1 << 60},
}  # fmt: skip
COMMANDS = ["clean", "clean --release", "release chat-claude-cli-0-True"]
# How a process looks that is no CLI: its program's name and its arguments, with the id of an idle session.
LOOKS = {
    "called claude": ("claude", []), "called claude, with the id": ("claude", ["ID"]), "with 900 ids": ("sleep", ["ID"] * 900),
    "with an argument of 100 kB": ("claude", ["x" * 100_000]), "with 300 kB of arguments": ("sleep", ["y" * 100_000] * 3),
    "a name with a bracket": ("a) R 1 1 (b", []), "a name with a line break": ("claude\nR", []), "a name of escapes": ("\x1b[2J\x9b", ["ID"]),
    "called session-warden": ("session-warden", ["clean", "ID"]), "with 1 MB of variables": ("claude", []),
}  # fmt: skip


def record_of(arena, pid, more):
    """A record in the form of Claude Code's, for that process and the first idle session."""
    now = int(time.time() * 1000)
    start, namespace = "1", "pid:[1]"
    if isinstance(pid, int) and os.path.exists(f"/proc/{pid}/stat"):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            start = file.read().rsplit(")", 1)[1].split()[19]
        namespace = os.readlink("/proc/self/ns/pid")
    machine = (content("/etc/machine-id") or b"").decode().strip()
    fields = {
        "pid": pid, "procStart": start, "sessionId": session_of(arena), "cwd": "/w", "version": "2.1.332", "startedAt": now,
        "status": "idle", "statusUpdatedAt": now - 5 * HOUR * 1000, "kind": "interactive", "entrypoint": "sdk-ts",
        "messagingSocketPath": arena.path("user/s.sock"), "pidDomain": f"linux:{machine}:{namespace}",
    }  # fmt: skip
    return {name: value for name, value in {**fields, **more}.items() if value is not None or name == "pid"}


def session_of(arena):
    return arena.home.chats["claude-cli"]["chat-claude-cli-0-True"]


def victims(arena):
    """Harmless processes that must live on: one of the user, and one of another user if that is possible."""
    own, user = arena.as_user("/bin/sleep", "60"), arena.user
    arena.user = OTHER
    other = arena.as_user("/bin/sleep", "60")
    arena.user = user
    return own, other


def check(arena, command, ended):
    """Nothing was signalled, and with all of it gone the idle mappings are removed."""
    if command.startswith("clean") and ended.code == 0:
        others = {mapping for mapping in arena.idle if mapping[0] != "claude-cli"}
        arena.removed(ended, others)
    arena.expect(ended.code == 0 or ended.err, "no reason", ended)
    arena.expect("Released" not in ended.out or "Released: 0" in ended.out, "released", ended)
    for child in arena.children:
        if child.poll() is not None:
            arena.wrong.append(f"a process that is no idle CLI has ended with {child.returncode}")
    arena.judge()
    shutil.rmtree(arena.path("user/home/.claude/sessions"), ignore_errors=True)
    for child in arena.children:
        child.kill()
        child.wait()
    arena.removed_at_last()


def run(arena, command):
    words = command.split()
    return arena.run(*words, "--bridge", "off", "--map", arena.map, *(["--yes"] if words[0] == "release" and "-n" not in words else []))


def record(who, forged, command, arena):
    own, other = victims(arena)
    if who == "another user's process" and not IS_ROOT:
        raise NotTried("only root can start another user's process")
    pid = {"drill": os.getpid(), "victim": own.pid, "other": other.pid}.get(str(WHO[who]), WHO[who])
    text = json.dumps(record_of(arena, pid, FORGED[forged]))
    arena.write(f"user/home/.claude/sessions/{pid if isinstance(pid, int) else own.pid}.json", text, 0)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(arena.path("user/s.sock"))
        listener.listen()
        check(arena, command, run(arena, command))


def look(name, has_record, command, arena):
    program, arguments = LOOKS[name]
    victims(arena)
    # A shell ignores its further arguments.
    path = shutil.copy("/bin/sh", f"{arena.path('user')}/{program}")
    words = [session_of(arena) if word == "ID" else word for word in arguments]
    environment = {f"V{number}": "v" * 100_000 for number in range(10)} if "variables" in name else {}
    child = arena.as_user(path, "-c", "read x; :", *words, env=environment, stdin=subprocess.PIPE)
    if has_record:
        arena.write(f"user/home/.claude/sessions/{child.pid}.json", json.dumps(record_of(arena, child.pid, {})), 0)
    check(arena, command, run(arena, command))
    child.stdin.close()


def attacks():
    for who in WHO:
        for forged in FORGED if who in LIVING else [VALID]:
            for command in COMMANDS:
                yield Attack(f"{command}: a record of {who}, {forged}", partial(record, who, forged, command))
    for name in LOOKS:
        for has_record in (False, True):
            for command in COMMANDS:
                how = ", with a record" if has_record else ""
                yield Attack(f"{command}: a process {name}{how}", partial(look, name, has_record, command))
