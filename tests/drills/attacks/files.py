"""Hostile files in the place of each file and folder that a run reads."""

import os
from functools import partial

from arena import Attack
from hostile import KINDS, in_place

STATE, HOME = "user/state/session-warden", "user/home"
STATE_FILES = {
    "removals.jsonl": "undo -n",
    "restored.jsonl": "history",
    "put-back.jsonl": "history",
    "releases.jsonl": "history",
    "runs.jsonl": "doctor",
    "maps.jsonl": "doctor",
    "pins.json": "pin",
    "holds": "hold list",
    "holds/x.json": "list",
    "lock": "pin a",
    "keepalive.json": "keepalive status",
}
# What is replaced, and a command that reads it besides a clean.
TARGETS = {f"{STATE}/{name}": command for name, command in STATE_FILES.items()} | {
    "user/bridge/session_map.json": "list",
    "user/bridge/.session_map.json.session-warden.lock": None,
    "user/bridge/.session_map.json.session-warden.tmp.4194999-0": None,
    f"user/bridge/.session_map.json.session-warden.was.4194999-0.{'0' * 16}-{'1' * 16}": None,
    STATE: "hold list",
    f"{HOME}/.config/session-warden/config.toml": "config",
    f"{HOME}/.config/session-warden": None,
    f"{HOME}/.claude/settings.json": "list",
    f"{HOME}/.gemini/settings.json": "doctor",
    f"{HOME}/.claude/sessions": None,
    f"{HOME}/.claude/sessions/LIVE.json": "release -n",
    f"{HOME}/.claude/history.jsonl": None,
    f"{HOME}/.claude/todos": None,
    f"{HOME}/.codex/session_index.jsonl": None,
    f"{HOME}/.codex/thread-writer-locks": None,
    f"{HOME}/.claude/projects": None,
    f"{HOME}/.codex/sessions": None,
    f"{HOME}/.gemini/tmp": None,
    "CLAUDE": "list",
    "CODEX": "clean --clock record",
    "GEMINI": "list --unmapped",
}
# These are left to the clean, since they take long.
LARGE = ("deep nesting", "a sparse TiB", "a line of 64 MiB")
MODELS = {".claude": "claude-cli", ".codex": "codex-cli", ".gemini": "gemini-cli"}
# How the ids of idle sessions begin.
OWN_FILES = {"CLAUDE": "01000000", "CODEX": "11000000", "GEMINI": "21000000"}


def where(command, arena):
    """The options that have that command look at the arena's map."""
    name = command.split()[0]
    if name in ("clean", "list", "doctor", "release"):
        return ["--bridge", "off", "--map", arena.map]
    return {"pin": ["--map", arena.map], "undo": ["--bridge", "off"]}.get(name, [])


def place(arena, target):
    """The path of a target: a fixed one, an idle session's file, or the record of a live process."""
    if target in OWN_FILES:
        return next(path for path in arena.home.trees if OWN_FILES[target] in path)
    if "LIVE" in target:
        return arena.path(target.replace("LIVE", str(arena.as_user("/bin/sleep", "60").pid)))
    return arena.path(target)


def of_others(arena, path):
    """The idle mappings of the CLIs in whose folder the path is not."""
    models = {model for folder, model in MODELS.items() if f"/{folder}" in path}
    return {mapping for mapping in arena.idle if mapping[0] not in models}


def attack(target, kind, command, arena):
    path = place(arena, target)
    has_run = target.startswith(f"{STATE}/") and command != "clean"
    if has_run:
        arena.removed(arena.clean())
        arena.before = None
    if ".tmp." in target:
        # What a killed run has left is removed.
        arena.own.append(path)
    with in_place(arena, path, KINDS[kind]):
        ended = arena.run(*command.split(), *where(command, arena))
        if command == "doctor" and not ended.err:
            arena.expect(" ok\n" in ended.out[-20:], "no end of the checks", ended)
        elif ended.code != 0:
            arena.refused(ended, "session map" if path == arena.map else os.path.basename(path))
        elif command.startswith("clean") and "leads nowhere" not in ended.err:
            arena.removed(ended, of_others(arena, path))
        arena.judge()
    arena.removed_at_last()


def attacks():
    for target, other in TARGETS.items():
        for kind in KINDS:
            for command in filter(None, ("clean", other if kind not in LARGE else None)):
                yield Attack(f"{command}: {kind} as {target}", partial(attack, target, kind, command))
