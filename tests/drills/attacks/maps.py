"""Malformed and hostile maps."""

import json
import re
from functools import partial

from arena import Attack, content

GEMINI = re.compile("(?=.*[A-Za-z0-9_-])[A-Za-z0-9_.-]{1,99}")
BIG = 10**400
ID = "0badc0de-0000-4000-8000-000000000001"
GOOD = json.dumps({"claude-cli": {"a": ID}})
# No map at all.
MALFORMED = {
    "nothing": "", "a space": " ", "one brace": "{", "NUL": "\0", "null": "null", "a list": "[]", "a list of maps": f"[{GOOD}]",
    "a text": '"x"', "a number": "1", "two maps": GOOD * 2, "text after the end": GOOD + "x", "a brace too many": GOOD + "}",
    "a comma at the end": '{"a":{},}', "single quotes": "{'a':{}}", "no quotes": "{a:{}}", "a comment": "/**/" + GOOD,
    "NaN": '{"a":NaN}', "infinity": '{"a":-Infinity}', "hex": '{"a":0x1}', "a leading zero": '{"a":01}',
    "a BOM": "\ufeff" + GOOD, "UTF-16": GOOD.encode("utf-16"), "UTF-16BE": GOOD.encode("utf-16-be"),
    "invalid UTF-8": b'{"claude-cli":{"\xff\xfe":"x"}}', "overlong UTF-8": b'{"claude-cli":{"\xc0\xaf":"x"}}',
    "a surrogate in UTF-8": b'{"claude-cli":{"\xed\xa0\x80":"x"}}', "a raw newline": '{"claude-cli":{"a\nb":"x"}}',
    "a raw escape": '{"claude-cli":{"\x1b[2J":"x"}}', "a bad escape": r'{"claude-cli":{"\x41":"x"}}',
    "half an escape": r'{"claude-cli":{"\u12":"x"}}', "a lone surrogate": r'{"claude-cli":{"\ud800":"x"}}',
    "surrogates the wrong way": r'{"claude-cli":{"\udc00\ud800":"x"}}', "deep lists": "[" * 100_000,
    "deep maps": '{"a":' * 100_000, "deep in a model": '{"claude-cli":{"a":' + "[" * 100_000,
    "deep and whole": '{"a":' * 5000 + "1" + "}" * 5000, "equal models": '{"claude-cli":{},"claude-cli":{}}',
    "equal chats": f'{{"claude-cli":{{"a":"{ID}","a":"x"}}}}', "equal by escape": r'{"claude-cli":{"a":"x","\u0061":"y"}}',
    "equal inside": '{"claude-cli":{"a":{"b":1,"b":2}}}', "1 MiB of spaces": " " * (1 << 20), "half a map": GOOD[:-9],
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0", "XML": "<map/>", "a huge exponent": '{"a":1e999999999',
    "a million commas": "{" + "," * 1_000_000, "JSON lines": f"{GOOD}\n{GOOD}\n", "a shebang": "#!/bin/sh\n" + GOOD,
}  # fmt: skip
# What no CLI writes as an id. A mapping of it is kept.
IDS = {
    "a path up": "../../etc/passwd", "a path": "/etc/passwd", "dots": "..", "a dot": ".", "nothing": "", "NUL": "a\0b",
    "a star": "*", "a glob": "[0-9a-f]*", "a question mark": "????????", "an option": "--help", "a dash": "-", "a slash": "/",
    "a prefix of others": "0", "half of an active one": "00000000-0000-4000", "a brace": "{a,b}", "a tilde": "~root",
    "a regex": ".*", "a URL": "file:///etc/passwd", "a name with .jsonl": "x.jsonl", "letters": "ı" * 36, "a space": " ",
    "a MiB": "a" * (1 << 20), "a variable": "$HOME", "a newline": "a\nb", "a folder of all": "-w-1", "a backslash": "..\\..",
}  # fmt: skip
# Values that are no id, as a whole model or as a session.
VALUES = {
    "null": None, "true": True, "zero": 0, "a list": [], "a map": {}, "a list of ids": [ID], "a map of an id": {"id": ID},
    "a negative": -1, "2^64": 1 << 64, "10^400": BIG, "a fraction": 1e308, "lists": [[[[[[]]]]]],
}  # fmt: skip
MODELS = ["claude-cli", "codex-cli", "gemini-cli", "../claude-cli"]


def malformed(text, arena):
    arena.write(arena.map, text)
    # It may not be changed, in whatever way.
    arena.own.remove(arena.map)
    arena.refused(arena.clean(), "session map", [1])
    arena.judge()
    arena.own.append(arena.map)
    arena.home.reset()
    arena.removed(arena.clean())


def kept(model, value, arena):
    """A mapping of that is kept, and the idle ones beside it are removed."""
    arena.home.chats.setdefault(model, {})["hostile"] = value
    arena.home.write()
    ended = arena.clean()
    if model == "gemini-cli" and isinstance(value, str) and GEMINI.fullmatch(value):
        # It may be one of Gemini CLI, whose session is missing.
        arena.idle.add((model, "hostile"))
    if value == BIG:
        arena.refused(ended, "number out of range", [1])
    else:
        arena.removed(ended)


def odd_model(value, arena):
    arena.home.old = json.dumps({**arena.home.chats, "odd": value}).encode()
    arena.home.reset()
    ended = arena.clean()
    if value == BIG:
        arena.refused(ended, "number out of range", [1])
        return
    left = json.loads(content(arena.map))
    arena.expect(left.pop("odd", 7) == value, "the odd model has changed", ended)
    arena.write(arena.map, json.dumps(left), mode=0o644)
    arena.give(arena.map, arena.user)
    arena.removed(ended)


def odd_chat(chat, arena):
    """An idle session of a chat with that name is removed, and the undo brings the old map back."""
    session = arena.home.chats["claude-cli"]["chat-claude-cli-0-True"]
    arena.home.chats["claude-cli"][chat] = session
    arena.idle.add(("claude-cli", chat))
    arena.home.write()
    ended = arena.clean()
    arena.removed(ended)
    undone = arena.run("undo", "--bridge", "off")
    arena.expect(undone.code == 0 and arena.gone() == set(), "not undone", undone)


def attacks():
    for name, text in MALFORMED.items():
        yield Attack(f"clean: {name}", partial(malformed, text))
    for name, id_ in IDS.items():
        for model in MODELS:
            yield Attack(f"clean: {name} as an id of {model}", partial(kept, model, id_))
        yield Attack(f"clean, undo: {name} as a chat", partial(odd_chat, id_))
    for name, value in VALUES.items():
        for model in ("claude-cli", "codex-cli"):
            yield Attack(f"clean: {name} as an id of {model}", partial(kept, model, value))
        if not isinstance(value, dict):
            yield Attack(f"clean: {name} as a model", partial(odd_model, value))
