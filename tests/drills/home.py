"""Homes for drills: sessions on the disk, a map of them, and what has become of it."""

import json
import os
import subprocess
import time

JOURNAL = ["removals.jsonl", "restored.jsonl", "runs.jsonl", "maps.jsonl"]


class Home:
    """A home with so many active and so many idle sessions of each CLI, and a map of them."""

    def __init__(self, root, each):
        self.root, self.chats, self.idle = root, {}, set()
        # Another sweep's strace names its sessions, which would be in use.
        self.own = os.urandom(6).hex()
        self.map, self.trees = f"{root}/bridge/session_map.json", []
        self.state = f"{root}/state/session-warden"
        os.makedirs(f"{root}/bridge")
        for number in range(each):
            for is_idle in (False, True):
                self.session("claude-cli", ".claude/projects/-w-{n}/{id}.jsonl", number, is_idle)
                if each > 1:
                    codex = ".codex/sessions/2026/01/{n:02}/rollout-2026-01-02T03-04-05-{id}.jsonl"
                    gemini = ".gemini/tmp/w{n}/chats/session-2026-01-02T03-04-{short}.jsonl"
                    self.session("codex-cli", codex, number, is_idle)
                    self.session("gemini-cli", gemini, number, is_idle)
        self.write()
        for folder, _, names in os.walk(f"{root}/home"):
            self.trees += [folder, *(f"{folder}/{name}" for name in names)]

    def write(self):
        """Writes the map of all sessions there are by now."""
        self.old = json.dumps(self.chats).encode()
        self.reset()

    def session(self, model, where, number, is_idle):
        kinds = ["claude-cli", "codex-cli", "gemini-cli"]
        short = f"{kinds.index(model)}{int(is_idle)}{number:06x}"
        session = f"{short}-0000-4000-8000-{self.own}"
        path = f"{self.root}/home/" + where.format(n=number % 3 + 1, id=session, short=short)
        record = {"type": "user", "sessionId": session}
        chat = f"chat-{model}-{number}-{is_idle}"
        self.put(model, chat, session, path, record, 5 * 3600 if is_idle else 60)
        if is_idle:
            self.idle.add((model, chat))

    def put(self, model, chat, session, path, record, age):
        """One session's file, written so many seconds ago, and its mapping."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file)
        written = time.time() - age
        os.utime(path, (written, written))
        self.chats.setdefault(model, {})[chat] = session

    def start(self, binary, *arguments, before=()):
        """Such a run, begun."""
        environment = {
            "HOME": f"{self.root}/home",
            "XDG_STATE_HOME": f"{self.root}/state",
            "PATH": "/usr/bin:/bin",
        }
        pipe = subprocess.PIPE
        return subprocess.Popen([*before, binary, *arguments], env=environment, stdout=pipe, stderr=pipe)

    def run(self, binary, *arguments, before=()):
        """How such a run ends, and what it says on standard error and on standard output."""
        with self.start(binary, *arguments, before=before) as child:
            try:
                out, said = child.communicate(timeout=60)
            finally:
                child.kill()
        return child.returncode, said.decode(errors="replace"), out.decode(errors="replace")

    def clean(self, binary, *before):
        """How a clean of the file ends, and what it says on standard error."""
        return self.run(binary, "clean", "--bridge", "off", "--map", self.map, before=before)[:2]

    def undo_all(self, binary, *before):
        """Undoes every run that removed something; what those say that do not end with 0."""
        failed = []
        runs = dict.fromkeys(line["run"] for line in self.journal("removals.jsonl") if line["run"] != "ancient")
        for run in runs:
            command = ["undo", run, "--bridge", "off", "--map", self.map]
            code, said, _ = self.run(binary, *command, before=before)
            if code != 0:
                failed.append(f"undo of {run} ended with {code}: {said}")
        return failed

    def gone(self):
        """The mappings that are no more; nothing where the file is no map."""
        try:
            with open(self.map, encoding="utf-8") as file:
                left = json.load(file)
            kept = {(model, chat): left[model][chat] for model in left for chat in left[model]}
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        all_ = {(model, chat): id_ for model, chats in self.chats.items() for chat, id_ in chats.items()}
        if any(all_.get(key) != kept[key] for key in kept):
            return None
        return set(all_) - set(kept)

    def reset(self):
        with open(self.map, "wb") as file:
            file.write(self.old)

    def litter(self):
        """What lies beside the map and in the state folder, and has no business there."""
        beside = {"session_map.json", ".session_map.json.session-warden.lock"}
        found = set(os.listdir(f"{self.root}/bridge")) - beside
        if os.path.isdir(self.state):
            found |= set(os.listdir(self.state)) - {"lock", *JOURNAL}
        return sorted(found)

    def journal(self, name):
        """The records in that file of the journal; no half one that a kill has left at its end."""
        try:
            with open(f"{self.state}/{name}", encoding="utf-8") as file:
                lines = [json.loads(line) for line in file.read().split("\n")[:-1]]
                return [line for line in lines if "map_of" not in line]
        except FileNotFoundError:
            return []
