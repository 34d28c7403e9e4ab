"""Root works on the map of a user who has prepared it against root."""

import os
import shutil
import threading
from functools import partial

from arena import IS_ROOT, OTHER, Attack, NotTried, everything
from hostile import KINDS, in_place

# Debian's nobody, whose home by the password file does not exist.
NOBODY = 65534
USED = ["a FIFO", "a socket", "a folder", "a link to /dev/zero", "a link to another user's file", "a dangling link", "a link to itself",
        "a sparse TiB", "a second name of another user's file", "a closed folder", "deep nesting"]  # fmt: skip
STATE, HOME = "user/state/session-warden", "user/home"
TARGETS = [
    "user/bridge/session_map.json", "user/bridge/.session_map.json.session-warden.lock",
    "user/bridge/.session_map.json.session-warden.tmp.4194999-0", STATE, f"{STATE}/lock", f"{STATE}/removals.jsonl",
    f"{STATE}/restored.jsonl", f"{STATE}/runs.jsonl", f"{STATE}/maps.jsonl", f"{STATE}/releases.jsonl", f"{STATE}/pins.json", f"{STATE}/holds",
    f"{STATE}/holds/x.json", f"{HOME}/.config/session-warden/config.toml", f"{HOME}/.claude/settings.json", f"{HOME}/.claude/sessions",
    f"{HOME}/.claude/sessions/1.json", f"{HOME}/.claude/projects", f"{HOME}/.codex/sessions", f"{HOME}/.gemini/tmp",
]  # fmt: skip
OUTPUTS = ["--log", "--metrics"]


def prepare(arena):
    """All belongs to that user, but for root's home and for root's secret, which only root can read."""
    if not IS_ROOT:
        raise NotTried("needs root")
    os.mkdir(arena.path("root"))
    os.lchown(arena.victim, 0, 0)
    arena.user = NOBODY
    arena.own += [arena.path("root/.local"), arena.path("root/.cache")]


def as_root(arena, command, *options):
    """Such a run of root's. All that the user has is given to the user first."""
    arena.seal()
    arena.user = None
    places = [] if command == "undo" else ["--home", arena.path(HOME)]
    environment = {"HOME": arena.path("root"), "XDG_STATE_HOME": None}
    words = [command, "--bridge", "off", "--map", arena.map, *places, "--state-dir", arena.state, *options]
    ended = arena.run(*words, environment=environment)
    arena.user = NOBODY
    return ended


def check(arena):
    """Nothing of root's is in the user's folders, and nothing has root's secret."""
    arena.judge()
    for path, about in everything(arena.path("user")):
        if about.st_uid == 0 and not arena.is_victim(about):
            arena.wrong.append(f"root has left {path.removeprefix(arena.root)}")


def attack(target, kind, command, arena):
    prepare(arena)
    path = arena.path(target)
    if ".tmp." in target:
        arena.own.append(path)
    with in_place(arena, path, KINDS[kind]):
        ended = as_root(arena, command)
        if ended.code == 0 and command == "clean" and not target.startswith(HOME):
            arena.expect("leads nowhere" in ended.err or arena.gone() == arena.idle, "not removed", ended)
        arena.expect(ended.code == 0 or ended.err, "no reason", ended)
        check(arena)
    shutil.rmtree(arena.state, ignore_errors=True)
    arena.removed(as_root(arena, "clean"))


def output(option, kind, mode, arena):
    """Root's log or metrics in a folder that every user may write to, or the user's own, where the user has been first."""
    prepare(arena)
    folder = arena.path("shared")
    os.mkdir(folder)
    os.chmod(folder, mode)
    if not mode & 0o002:
        os.chown(folder, NOBODY, NOBODY)
        # A file of the user's in the user's own folder is appended to.
        arena.own.append(f"{folder}/out")
    with in_place(arena, f"{folder}/out", KINDS[kind]):
        if not arena.is_victim(os.lstat(f"{folder}/out")):
            os.lchown(f"{folder}/out", NOBODY, NOBODY)
        ended = as_root(arena, "clean", option, f"{folder}/out")
        arena.removed(ended)
        check(arena)


def race(option, number, arena):
    """The name of root's output is a link to root's secret, and is none, all the time."""
    prepare(arena)
    folder, has_ended = arena.path("shared"), threading.Event()
    os.mkdir(folder)
    os.chmod(folder, 0o1777)
    arena.own.append(folder)

    def swap():
        while not has_ended.is_set():
            for put in (KINDS["a link to another user's file"], KINDS["another user's file"]):
                put(f"{folder}/new", arena)
                os.lchown(f"{folder}/new", NOBODY, NOBODY)
                os.rename(f"{folder}/new", f"{folder}/out")

    work = threading.Thread(target=swap)
    arena.seal()
    work.start()
    try:
        arena.removed(as_root(arena, "clean", option, f"{folder}/out"))
    finally:
        has_ended.set()
        work.join()
    shutil.rmtree(folder)
    check(arena)


def two_owners(part, arena):
    """A map whose parts belong to different users is refused."""
    prepare(arena)
    arena.seal()
    path = {"map": arena.map, "folder": os.path.dirname(arena.map)}[part]
    os.lchown(path, OTHER, OTHER)
    ended = as_root(arena, "clean")
    arena.expect(ended.code == 1 and ended.err and arena.gone() == set(), "not refused", ended)


def attacks():
    for target in TARGETS:
        for kind in USED:
            command = "undo" if target.endswith(("/removals.jsonl", "/restored.jsonl")) else "clean"
            yield Attack(f"{command}: {kind} as {target}", partial(attack, target, kind, command))
    for option in OUTPUTS:
        for kind in (*USED, "another user's file"):
            # The user's own file, in a folder of the user's, is nothing to refuse.
            own = () if kind == "another user's file" else (0o755,)
            for mode in (0o1777, 0o777, *own):
                yield Attack(f"{option}: {kind} in a folder of mode {mode:o}", partial(output, option, kind, mode))
        for number in range(6):
            yield Attack(f"{option}: a link that comes and goes, {number}", partial(race, option, number))
    for part in ("map", "folder"):
        yield Attack(f"clean: a {part} of a third user", partial(two_owners, part))
