#!/usr/bin/env python3
"""The peer: a dry run of the same job, as one writes it in Python who knows where the CLIs keep their
sessions and cares for nothing else. No lock, no second look, no live process, no bridge, no undo.

Prints how many mappings are active, idle and missing, as JSON.
"""
import json
import os
import re
import time

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHORT = re.compile(r"session-.*-([0-9a-f]{8})\.jsonl?")
IDLE_AFTER = 2 * 3600


def files_below(folder):
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry
        except OSError:
            pass


def newest(times, key, entry):
    times[key] = max(times.get(key, 0), entry.stat().st_mtime)


home = os.environ["HOME"]
used = {"claude-cli": {}, "codex-cli": {}}
for entry in files_below(f"{home}/.claude/projects"):
    stem, ending = os.path.splitext(entry.name)
    if ending == ".jsonl" and UUID.fullmatch(stem):
        newest(used["claude-cli"], stem, entry)
for entry in files_below(f"{home}/.codex/sessions"):
    if entry.name.startswith("rollout-") and (ids := UUID.findall(entry.name)):
        newest(used["codex-cli"], ids[-1], entry)
gemini = {}
for entry in files_below(f"{home}/.gemini/tmp"):
    if match := SHORT.fullmatch(entry.name):
        gemini.setdefault(match[1], []).append(entry)


def last_use(model, session):
    if model != "gemini-cli":
        return used[model].get(session)
    for entry in gemini.get(session[:8], []):
        with open(entry.path, "rb") as file:
            if f'"{session}"'.encode() in file.read(4096):
                return entry.stat().st_mtime
    return None


counts = {"active": 0, "idle": 0, "missing": 0}
with open(f"{os.environ['CLAUDE_SESSION_DIR']}/session_map.json") as file:
    session_map = json.load(file)
for model, chats in session_map.items():
    for session in chats.values():
        at = last_use(model, session)
        age = None if at is None else time.time() - at
        counts["missing" if age is None else "idle" if age >= IDLE_AFTER else "active"] += 1
print(json.dumps(counts))
