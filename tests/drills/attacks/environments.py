"""Hostile variables, limits, streams and signals."""

import os
from functools import partial

from arena import OTHER, Attack
from files import of_others

VARIABLES = {
    "HOME": "", "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_CACHE_HOME": "", "XDG_RUNTIME_DIR": "",
    "TMPDIR": "", "PATH": "", "CLAUDE_CONFIG_DIR": ".claude", "CODEX_HOME": ".codex", "GEMINI_CLI_HOME": ".gemini",
    "VIBE_HOME": "", "CLAUDE_CODE_TMPDIR": "", "CLAUDE_SESSION_DIR": "", "CLAUDE_BRIDGE_PORT": "", "LANG": "", "LC_ALL": "", "TZ": "",
    "SESSION_WARDEN_CONFIG": "", "SESSION_WARDEN_PROFILE": "", "SESSION_WARDEN_STATE_DIR": "", "NO_COLOR": "", "COLUMNS": "",
    "LD_BIND_NOW": "", "SESSION_WARDEN_SEND_KEEPALIVES": "",
}  # fmt: skip
# How each value begins at the arena's own folder, if it is a path.
VALUES = {
    "nothing": "", "a relative path": "relative/folder", "a line break": "{}/a\nINJECTED=1", "what is not UTF-8": "{}/\udcff\udcfe",
    "100 kB": "{}/" + "x" * 100_000, "a file": "{}/precious", "a FIFO": "{}/fifo", "another user's folder": "{}/theirs",
    "a device": "/dev/zero", "dots": "/../../..", "a shell": "$(touch {}/shell)`touch {}/shell`", "escapes": "\x1b[2J\x9b31m\u202e",
    "/proc": "/proc/self/fd",
}  # fmt: skip
CLOSED = 'exec "$@" {}'
# What stands before the command. Its reports go to a pipe where files may not grow.
BEFORE = {
    **{f"closed streams: {which}": ["sh", "-c", CLOSED.format(which), "sh"] for which in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-")},
    **{f"full streams: {which}": ["sh", "-c", CLOSED.format(which), "sh"] for which in (">/dev/full", "2>/dev/full")},
    **{f"{files} open files": ["prlimit", f"--nofile={files}"] for files in (8, 10, 12, 16, 24)},
    **{f"files of {size} bytes": ["sh", "-c", f"prlimit --fsize={size} \"$@\" | cat", "sh"] for size in (0, 1, 100, 600)},
    **{f"a stack of {size} KiB": ["prlimit", f"--stack={size * 1024}"] for size in (512, 1024)},
    **{f"ignored {signal}": ["env", f"--ignore-signal={signal}"] for signal in ("PIPE", "TERM", "HUP", "CHLD", "XFSZ")},
    **{f"blocked {signal}": ["env", f"--block-signal={signal}"] for signal in ("PIPE", "TERM", "CHLD", "ALRM")},
    "no umask": ["sh", "-c", 'umask 0000; exec "$@"', "sh"],
    "a reader that ends": ["sh", "-c", '"$@" | true', "sh"], "no core, no locks": ["prlimit", "--core=0", "--locks=0", "--memlock=0"],
    "one process": ["prlimit", "--nproc=1"], "idle priority": ["nice", "-n", "19"],
    "a removed working folder": ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh"],
}  # fmt: skip


def prepare(arena):
    """A folder to work in, with files for variables to name, and the files that a run may write elsewhere."""
    folder = arena.path("user/cwd")
    arena.write(f"{folder}/precious", "precious\n")
    os.mkfifo(f"{folder}/fifo")
    os.mkdir(f"{folder}/theirs", 0o755)
    arena.give(f"{folder}/theirs", OTHER)
    arena.own += [arena.path("user/home/.local")]
    return folder


def variable(name, value, arena):
    folder = prepare(arena)
    text = VALUES[value].replace("{}", folder)
    if name in ("XDG_STATE_HOME", "SESSION_WARDEN_STATE_DIR", "HOME"):
        # What it names is the run's own: a folder in an existing one, or a new one.
        arena.own += [f"{text}/session-warden", f"{text}/.local", f"{folder}/{text.split('/')[0]}", *([text] if value in NEW else [])]
    where = {"CLAUDE_SESSION_DIR": os.path.dirname(arena.map), name: text}
    dry = ["-n"] if name == "CLAUDE_SESSION_DIR" else []
    ended = arena.run("clean", *dry, "--bridge", "off", environment=where, cwd=folder)
    arena.expect("\nINJECTED" not in ended.out + ended.err, "a line was injected", ended)
    if ended.code == 0 and not dry and "Sessions checked: 12" in ended.out:
        arena.removed(ended, of_others(arena, f"/{VARIABLES[name]}" if VARIABLES[name] else ""))
    elif ended.code:
        arena.expect(bool(ended.err), "no reason", ended)
    arena.judge()
    arena.removed_at_last()


NEW = ("a line break", "what is not UTF-8")


def before(name, arena):
    arena.seal()
    options = {"cwd": arena.path("user/home")} if "folder" in name else {}
    ended = arena.clean(before=BEFORE[name], **options)
    if ended.code == 0 and arena.gone() != set():
        arena.removed(ended)
    arena.judge()
    arena.removed_at_last()


def attacks():
    for name in VARIABLES:
        for value in VALUES:
            yield Attack(f"clean: {name} is {value}", partial(variable, name, value))
    for name in BEFORE:
        yield Attack(f"clean: {name}", partial(before, name))
