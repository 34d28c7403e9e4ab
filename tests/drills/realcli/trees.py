"""What a home looks like, for fixtures: each file's path, its age, and its structure, without a word of its text."""

import json
import os
import re
import time

# Where sessions are, below the home; and what is of no use there.
ROOTS = [
    *(f".claude/{name}" for name in "projects sessions tasks todos file-history session-env jobs debug".split()),
    *(f".codex/{name}" for name in "sessions archived_sessions thread-writer-locks session_index.jsonl".split()),
    ".gemini/tmp",
    ".vibe/logs/session",
]
USELESS = re.compile(r"/session/plugins/|/memory(/|$)|\.sqlite")

# The keys whose values are kept, at any depth: names, times and relations. Anything else is left out.
KEYS = set("""
acquired_at agentId agentType agent_id archived_at bumped_at child_sessions createdAt created_at cwd directories
end_byte_offset end_ordinal_exclusive end_time entrypoint forked_from_id history_base history_mode id isSidechain
jobId kind lastUpdated leafUuid method operation originator parentId parentSessionId parentUuid parent_id
parent_session_id parent_thread_id payload process_id projectHash resumeSessionId role rootTurnId
sessionId session_id snapshot source spawnDepth startTime start_time startedAt state status statusUpdatedAt
subagent subtype thread_id thread_source thread_spawn timestamp turn_id type updatedAt updated_at uuid version $set
""".split())
PLAIN = re.compile(r"[\w.:/+@\[\]-]{0,120}")
LINES = 12
WIDE = 4000


def reduced(value):
    """Returns a JSON value with the known keys only, and with no text that has a space in it."""
    if isinstance(value, dict):
        kept = {key: reduced(part) for key, part in value.items() if key in KEYS}
        return {key: part for key, part in kept.items() if part is not None}

    if isinstance(value, list):
        return [part for part in map(reduced, value[:3]) if part is not None]

    is_text = isinstance(value, str) and not PLAIN.fullmatch(value)
    return None if is_text else value


def text_of(path):
    """Returns a file's structure: each line of JSON reduced, the first ones and the last ones of many."""
    with open(path, "rb") as file:
        raw = file.read()
    if not path.endswith((".json", ".jsonl", ".lock")):
        return f"({len(raw)} bytes)" if raw else ""

    lines = raw.decode(errors="replace").splitlines()
    if path.endswith(".jsonl"):
        lines = [line for line in lines if line.strip()]
        if len(lines) > LINES:
            lines = lines[: LINES // 2] + lines[-LINES // 2 :]
        return "".join(f"{json.dumps(reduced(json.loads(line)))}\n" for line in lines)

    try:
        return json.dumps(reduced(json.loads(raw or b"{}")))
    except ValueError:
        return f"({len(raw)} bytes)"


def tree(home, carrying=None):
    """Returns the entries of a home's sessions; `carrying` limits them to paths or texts with one of these ids."""
    now, entries = time.time(), []
    for root in [*(f"{home}/{root}" for root in ROOTS), f"/tmp/claude-{os.getuid()}"]:
        files = [root] if os.path.isfile(root) else []
        files += [f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names]
        for path in sorted(files):
            if USELESS.search(path) or not os.path.isfile(path):
                continue
            entry = {"path": path, "mtime_age": round(now - os.lstat(path).st_mtime), "text": text_of(path)}
            if os.path.islink(path):
                entry |= {"text": "", "link": os.readlink(path)}
            whole = json.dumps(entry)
            if carrying is None or any(id_ in whole for id_ in carrying):
                entries.append(renamed(whole, home))

    return entries


def renamed(text, home):
    """Returns an entry with the home `/home/u`, also in the names made of it; its path is below the home."""
    mangled = re.sub("[^a-zA-Z0-9]", "-", home)
    entry = json.loads(text.replace(home, "/home/u").replace(mangled, "-home-u"))
    return {**entry, "path": entry["path"].removeprefix("/home/u/")}


def write(folder, name, entries):
    """Writes a tree, a line for each file."""
    os.makedirs(folder, exist_ok=True)
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
        file.write(f"[\n{lines}\n]\n")
