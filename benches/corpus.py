"""Homes of any size with sessions of Claude Code, Codex and Gemini CLI, a bridge's map over them,
and what is right for every mapping.

Files have the names, the folders and the first line that the CLIs write today. Times are relative to
now, so a home is good for the hour in which it was made.
"""
import datetime
import json
import os
import random
import time
import uuid

HOUR = 3600
# What sessions there are, of how many.
SHARES = {"claude-cli": 0.6, "codex-cli": 0.3, "gemini-cli": 0.1}
# One in five was used within the last hour and a half, the others between 2.5 h and half a year ago.
SHARE_ACTIVE, SHARE_MISSING = 0.2, 0.05
LONGEST = 180 * 24 * HOUR


class Home:
    """A home under `root`, with its map in `bridge` beside it."""

    def __init__(self, root, files, mappings, projects=40, seed=1):
        self.root, self.files, self.mappings = root, files, mappings
        self.projects = [f"-srv-work-{number}" for number in range(projects)]
        self.random, self.now, self.made = random.Random(seed), time.time(), {}
        for model in SHARES:
            self.made[model] = []
        for _ in range(files):
            self.add_session()
        self.add_map()

    def environment(self):
        return {
            "HOME": f"{self.root}/home",
            "CLAUDE_SESSION_DIR": f"{self.root}/bridge",
            "XDG_STATE_HOME": f"{self.root}/state",
            "PATH": "/usr/bin:/bin",
        }

    def map_path(self):
        return f"{self.root}/bridge/session_map.json"

    def model(self):
        return self.random.choices(list(SHARES), list(SHARES.values()))[0]

    def uuid4(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def uuid7(self, seconds):
        number = int(seconds * 1000) << 80 | self.random.getrandbits(80)
        number = number & ~(0xF << 76) | 7 << 76
        return str(uuid.UUID(int=number & ~(3 << 62) | 2 << 62))

    def add_session(self):
        model = self.model()
        is_active = self.random.random() < SHARE_ACTIVE
        age = self.random.uniform(0, 1.5 * HOUR) if is_active else self.random.uniform(2.5 * HOUR, LONGEST)
        used = self.now - age
        made = used - self.random.uniform(0, 48 * HOUR)
        session, path, text = getattr(self, model.removesuffix("-cli"))(made)
        path = f"{self.root}/home/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.utime(path, (used, used))
        self.made[model].append((session, "active" if is_active else "idle"))

    def claude(self, made):
        session = self.uuid4()
        stamp = datetime.datetime.fromtimestamp(made, datetime.timezone.utc).isoformat()
        line = {"type": "user", "sessionId": session, "timestamp": stamp, "message": {"role": "user"}}
        path = f".claude/projects/{self.random.choice(self.projects)}/{session}.jsonl"
        return session, path, json.dumps(line) + "\n"

    def codex(self, made):
        session, local = self.uuid7(made), datetime.datetime.fromtimestamp(made)
        line = {"timestamp": f"{local:%FT%T}.000Z", "type": "session_meta", "payload": {"id": session}}
        name = f"rollout-{local:%Y-%m-%dT%H-%M-%S}-{session}.jsonl"
        return session, f".codex/sessions/{local:%Y/%m/%d}/{name}", json.dumps(line) + "\n"

    def gemini(self, made):
        session, utc = self.uuid4(), datetime.datetime.fromtimestamp(made, datetime.timezone.utc)
        line = {"sessionId": session, "projectHash": "0" * 64, "startTime": utc.isoformat()}
        project = self.random.choice(self.projects).strip("-")
        name = f"session-{utc:%Y-%m-%dT%H-%M}-{session[:8]}.jsonl"
        return session, f".gemini/tmp/{project}/chats/{name}", json.dumps(line) + "\n"

    def add_map(self):
        chats, self.expected = {model: {} for model in SHARES}, {}
        for _ in range(self.mappings):
            model, chat = self.model(), self.uuid4()
            if self.random.random() < SHARE_MISSING or not self.made[model]:
                lost = self.now - self.random.uniform(0, LONGEST)
                session = self.uuid7(lost) if model == "codex-cli" else self.uuid4()
                state = "missing"
            else:
                session, state = self.random.choice(self.made[model])
            chats[model][chat] = session
            self.expected[model, chat] = state
        os.makedirs(f"{self.root}/bridge", exist_ok=True)
        with open(self.map_path(), "w") as file:
            json.dump(chats, file)
