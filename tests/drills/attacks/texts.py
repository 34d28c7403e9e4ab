"""Poisoned text in every field that is read, through every command that prints."""

import json
import os
import re
import time
from functools import partial

from arena import Attack, as_json

POISONS = {
    "escapes": "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]8;;http://x\x07", "C1": "\x9b31m\x9d0;x\x9ca\x7f\x08b",
    "direction": "\u202etxt.exe\u2066\u200f\u061c", "newlines": "\rINJECTED=0\nINJECTED=1\r\nINJECTED=2", "NUL": "a\0b",
    "hidden": "a\u200b\u200d\ufeff\xadb\U000e0041\ufe0f\u3164", "separators": "a\u2028INJECTED=1\u2029\x85\x0bb",
    "a surrogate": "a\ud800b", "100,000 letters": "x" * 100_000, "quotes": "\"'`\\\" \\u001b \\n",
    "HTML": "<script>alert(1)</script>&lt;", "formats": "%n%s%1$n%%{}{0}", "a shell": "$(touch shell)`touch shell`;&\\",
}  # fmt: skip
# The text is in the files that these read.
READING = [
    "clean", "clean -n", "clean -v --json", "clean -q", "list", "list -v", "list --json", "list --unmapped",
    "list --unmapped --json", "doctor", "doctor --json", "history", "history --json", "history latest", "undo -n",
    "undo -n --json", "pin", "pin --json", "hold list", "hold list --json", "release -n", "release -n --json",
    "config", "config --json", "keepalive status", "keepalive status --json",
]  # fmt: skip
# The text is an argument, at the braces.
TYPED = [
    "pin {}", "remove {}", "undo {}", "history {}", "release -n {}", "clean --profile {}", "clean --map {}",
    "clean --bridge http://127.0.0.1:1/{}", "clean -n --pin {}", "list --home {}", "doctor --state-dir {}",
    "clean --config {}", "hold start --chat {} --key {} --reason {}", "clean --idle {}", "{}",
    "schedule print --method systemd-user --session-dir {}", "schedule print --method cron --session-dir {}",
    "schedule print --method launchd --session-dir {}", "keepalive enable {}", "completions {}",
]  # fmt: skip
IN_ARGUMENTS = ("escapes", "direction", "newlines", "100,000 letters", "quotes", "formats")
FIRST = "01000000"


def poisoned(arena, poison):
    """Puts the text into the map, sessions, a hold, a record, the pins, the journal and the configuration."""
    idle = next(path for path in arena.home.trees if FIRST in path)
    session = os.path.basename(idle).removesuffix(".jsonl")
    chats = arena.home.chats
    for model, chat, id_ in (("claude-cli", f"mark{poison}", session), (f"model{poison}", "x", poison)):
        chats.setdefault(model, {})[chat] = id_
    chats["codex-cli"][f"y{poison}"] = poison
    arena.idle.add(("claude-cli", f"mark{poison}"))
    arena.home.write()
    text = {"cwd": f"/mark{poison}", "gitBranch": poison, "message": {"role": "user", "content": f"mark{poison}"}}
    line = json.dumps({"type": "user", "sessionId": session, "timestamp": "2026-01-01T00:00:00Z", **text}) + "\n"
    arena.write(idle, line)
    name = re.sub("[\0/\ud800]", "", poison)[:200]
    unmapped = session.replace("01000000", "0100ffff")
    arena.write(f"user/home/.claude/projects/-mark{name}/{unmapped}.jsonl", line.replace(session, unmapped))
    pid = arena.as_user("/bin/sleep", "60").pid
    record = {"pid": pid, "sessionId": poison, "status": poison, "name": poison, "cwd": poison, "version": poison}
    arena.write(f"user/home/.claude/sessions/{pid}.json", json.dumps({**record, "procStart": "1", "kind": poison}))
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    hold = {"schema": 1, "key": f"mark{poison}", "session": poison, "chat": poison, "reason": poison, "since": now}
    hold |= {"last_beat": now, "ttl": 3600, "by_hook": False, "processes": [], "namespace": poison}
    pins = [{"map": arena.map, "model": poison, "chat": f"mark{poison}", "since": now}]
    run = {"run": "20260101T000000Z-1-1", "map": arena.map, "model": "claude-cli", "session": poison}
    removal = {**run, "time": now, "url": None, "form": "today", "chat": f"mark{poison}", "before": poison}
    ran = {**run, "command": f"mark{poison}", "started": now, "ended": now, "exit": 0, "undoes": None, "summary": None}
    config = f"[clean]\npin = [{toml('other' + poison)}]\n[[profile]]\nname = {toml('p' + poison)}\n"
    state = {
        "holds/k.json": json.dumps(hold), "pins.json": json.dumps({"schema": 1, "pins": pins}),
        "removals.jsonl": json.dumps({**removal, "last_used": now, "reason": poison}) + "\n",
        "runs.jsonl": json.dumps({**ran, "warning": poison}) + "\n",
    }  # fmt: skip
    for name, content in state.items():
        arena.write(f"{arena.state}/{name}", content, 0)
    arena.write("user/home/.config/session-warden/config.toml", config)


def toml(text):
    return json.dumps(text.replace("\ud800", ""), ensure_ascii=False).replace("\x7f", "\\u007f")


def options(command, arena):
    name = command.split()[0]
    if name in ("clean", "list", "doctor", "release", "remove"):
        bridge = [] if "--bridge" in command else ["--bridge", "off"]
        return [*bridge, *([] if "--map" in command else ["--map", arena.map])]
    return {"pin": ["--map", arena.map], "undo": ["--bridge", "off"]}.get(name, [])


def check(arena, ended, is_json):
    """What is printed is no line of the text's own, and JSON if that was asked for."""
    arena.expect(not re.search("^INJECTED", ended.out + ended.err, re.M), "a line was injected", ended)
    if ended.code == 0:
        arena.expect(as_json(ended.out) is not None or not is_json, "no JSON", ended)
    else:
        arena.expect(bool(ended.err) or "doctor" in arena.command, "no reason", ended)


def read(command, poison, arena):
    arena.command = command
    poisoned(arena, POISONS[poison])
    if command == "clean":
        written = [arena.path("user/log"), arena.path("user/metrics")]
        arena.own += written
        ended = arena.run("clean", "--log", written[0], "--metrics", written[1], *options(command, arena))
        for path in filter(os.path.exists, written):
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                arena.check_run(ended._replace(err=file.read()), [], (path,), True)
    else:
        ended = arena.run(*command.split(), *options(command, arena))
    check(arena, ended, "--json" in command)
    if command in ("clean -n", "list", "list --json", "hold list", "pin", "undo -n", "history") and ended.code == 0:
        arena.expect("mark" in ended.out, "the text is not shown", ended)


def typed(command, poison, arena):
    arena.command = command
    text = re.sub("[\0\ud800]", "", POISONS[poison])
    words = [word.format(text) if "{}" in word else word for word in command.split()]
    ended = arena.run(*words, *options(command, arena), cwd=arena.path("user/home"))
    # In a property list, a line break within a text is one of its letters.
    if "launchd" not in command:
        check(arena, ended, False)
    if not command.startswith("clean -n") and command.startswith(("clean", "list --home", "remove")):
        arena.expect(ended.code != 0, "was taken", ended)
    arena.judge()
    if command.startswith(("clean", "list")):
        arena.removed(arena.clean())


def attacks():
    for poison in POISONS:
        for command in READING:
            yield Attack(f"{command}: {poison}", partial(read, command, poison))
        for command in TYPED if poison in IN_ARGUMENTS else ():
            yield Attack(f"{command}: {poison}", partial(typed, command, poison))
