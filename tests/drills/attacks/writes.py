"""Files that a run creates or appends to, in folders where another user has been first."""

import os
import threading
from functools import partial

from arena import IS_ROOT, OTHER, Attack, NotTried
from hostile import KINDS, in_place


def link_to_own(path, arena):
    os.symlink(arena.path("user/home/precious"), path)


def link_to_new(path, arena):
    os.symlink(arena.path("user/home/new"), path)


def second_name_of_own(path, arena):
    os.link(arena.path("user/home/precious"), path)


OWN = {
    "a link to a file of the user": link_to_own,
    "a link to a new file of the user": link_to_new,
    "a second name of a file of the user": second_name_of_own,
}
USED = ["a FIFO", "a socket", "a folder", "a link to /dev/zero", "a link to another user's file", "a dangling link",
        "a link to itself", "a sparse TiB", "a closed folder", "a second name of another user's file",
        "another user's file"]  # fmt: skip
HOSTILE = {**{kind: KINDS[kind] for kind in USED}, **OWN}
# Their modes and owners.
STICKY, OPEN = (0o1777, 0), (0o777, 0)
FOLDERS = {"a sticky folder": STICKY, "an open folder": OPEN, "another user's open folder": (0o777, OTHER)}
HOLD = "hold start --session s --key k --ttl 1h --state-dir"
# Where the path is the last word. The program behind a hold runs whatever becomes of its log.
COMMANDS = {
    "clean --log": True, "clean --metrics": True, "clean --state-dir": False, "pin a --state-dir": False,
    HOLD: False, "hold --session s --log": False, "hold list --state-dir": False, "undo --state-dir": False,
    "history --state-dir": False, "keepalive run --state-dir": False,
}  # fmt: skip


def prepare(arena, folder):
    """A folder with that mode and owner, as /tmp is, and a file of the user's that must remain unchanged."""
    if not IS_ROOT:
        raise NotTried("another user's files need root")
    arena.write("user/home/precious", "precious\n", mode=0o644)
    shared = arena.path("shared")
    os.mkdir(shared)
    mode, owner = folder
    os.chmod(shared, mode)
    os.chown(shared, owner, owner)
    return f"{shared}/out"


def options(command, arena):
    if command.startswith("clean"):
        return ["--bridge", "off", "--map", arena.map]
    if command.startswith("pin"):
        return ["--map", arena.map]
    return ["--bridge", "off"] if command.startswith("undo") else []


def attack(command, kind, folder, arena):
    path = prepare(arena, folder)
    with in_place(arena, path, HOSTILE[kind]):
        if os.lstat(path).st_uid == 0:
            arena.give(path, OTHER)
        words = command.split()
        end = ["--", "true"] if "--session s --log" in command else []
        ended = arena.run(*words[:-1], *options(command, arena), words[-1], path, *end)
        if COMMANDS[command]:
            arena.removed(ended)
        if ended.code != 0:
            arena.refused(ended, "out")
        arena.judge()
    arena.own.append(path)
    arena.removed(arena.clean("--log", path), None if not COMMANDS[command] else arena.idle)


def swap(arena, path, put, other, has_ended):
    """Has the path be now the one and now the other, until that has ended; at last the other."""
    while True:
        is_last = has_ended.is_set()
        for each in (put, other):
            each(f"{path}.new", arena)
            arena.give(f"{path}.new", OTHER)
            os.rename(f"{path}.new", path)
        if is_last:
            return


def race(option, kind, number, arena):
    """The name changes all the time during a run."""
    path = prepare(arena, FOLDERS["another user's open folder"] if number % 2 else OPEN)
    arena.own += [path, f"{path}.new"]
    has_ended = threading.Event()
    arena.seal()
    work = threading.Thread(target=swap, args=(arena, path, HOSTILE[kind], KINDS["another user's file"], has_ended))
    work.start()
    try:
        arena.removed(arena.clean(option, path))
    finally:
        has_ended.set()
        work.join()


def race_of_map(kind, number, arena):
    """The map is now a map and now something else; at last it is the map."""
    prepare(arena, OPEN)
    old, has_ended = arena.home.old, threading.Event()
    folder = os.path.dirname(arena.map)
    # A link at the map's name is followed, and the lock is beside its target.
    arena.own += [folder, arena.path("user/home/.precious.session-warden.lock")]
    arena.seal()

    def put_map(path, _):
        arena.write(path, old, mode=0o644)
        arena.give(path, arena.user)

    def swap_maps():
        while not has_ended.is_set():
            for put in (HOSTILE[kind], put_map):
                put(f"{folder}/new", arena)
                os.rename(f"{folder}/new", arena.map)

    work = threading.Thread(target=swap_maps)
    work.start()
    try:
        ended = arena.clean()
    finally:
        has_ended.set()
        work.join()
    if ended.code:
        arena.refused(ended, "")
    arena.judge()
    arena.home.reset()
    arena.removed(arena.clean())


def attacks():
    for command in COMMANDS:
        for kind in HOSTILE:
            for name, folder in FOLDERS.items() if COMMANDS[command] else [("a sticky folder", STICKY)]:
                yield Attack(f"{command}: {kind} in {name}", partial(attack, command, kind, folder))
    for kind in ("a FIFO", "a link to another user's file", "a link to a file of the user"):
        for number in range(6):
            for option in ("--log", "--metrics"):
                yield Attack(f"{option}: {kind} comes and goes, {number}", partial(race, option, kind, number))
            yield Attack(f"map: {kind} comes and goes, {number}", partial(race_of_map, kind, number))
