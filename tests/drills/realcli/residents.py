"""Claude Code as bridges keep it: with streaming input, alive after each turn."""

import glob
import json
import subprocess
import threading
import time

import claude
from lab import Failed, wait_until

ALLOWED = "--dangerously-skip-permissions"

# A server of tools that has none.
MCP = """import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    result = {"tools": []}
    if asked["method"] == "initialize":
        result = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}}}
        result["serverInfo"] = {"name": "drill", "version": "1"}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


class Resident:
    """A Claude Code that stays after its turns; `before` is a command that starts it."""

    def __init__(self, lab, *options, first="new", before=(), cwd=None, entrypoint="sdk-ts"):
        self.lab, self.seen, self.ended_at, pipe = lab, [], None, subprocess.PIPE
        self.folder = cwd or lab.folder()
        self.child = subprocess.Popen(
            [*before, *lab.tools["claude"], *claude.STREAM, *options],
            cwd=self.folder,
            env=lab.environment(CLAUDE_CODE_ENTRYPOINT=entrypoint),
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.pid = self.child.pid
        threading.Thread(target=self.read, daemon=True).start()
        self.say(first)
        starts = lambda: [it["session_id"] for it in self.seen if it.get("subtype") == "init"]
        self.id = wait_until("a session", starts)[0]

    def read(self):
        for line in self.child.stdout:
            self.seen.append(json.loads(line))
        self.child.wait()
        self.ended_at = time.time()

    def say(self, text):
        """Sends a message, as a bridge does; BrokenPipeError if the process has ended."""
        message = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": text}]}}
        self.child.stdin.write(json.dumps(message) + "\n")
        self.child.stdin.flush()

    def answers(self):
        """Returns how many turns have ended."""
        return sum(it.get("type") == "result" for it in list(self.seen))

    def become(self, status):
        """Waits for that status, and returns this."""
        claude.become(self.lab, self.id, status)
        return self

    def wait_idle(self):
        """Waits until its first turn has ended, and returns this."""
        wait_until(f"{self.id} has answered", self.answers)
        return self.become("idle")

    def is_alive(self):
        return is_alive(self.pid)

    def kill(self):
        self.child.kill()
        self.child.wait()


def is_alive(pid):
    """Returns true if a process has not ended; one that waits to be buried has."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def with_settings(**settings):
    """Returns the options for settings of one process."""
    return ["--settings", json.dumps(settings)]


def hook(event, command, **more):
    """Returns the options for a hook of one process."""
    return with_settings(hooks={event: [{"hooks": [{"type": "command", "command": command, **more}]}]})


def transcript(lab, id_):
    """Returns the records of a session's transcript; each line must be whole."""
    path = glob.glob(f"{lab.home}/.claude/projects/*/{id_}.jsonl")[0]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if not text.endswith("\n"):
        raise Failed(f"{path} ends within a line")

    return [json.loads(line) for line in text.splitlines()]


def check_transcript(lab, id_, prompts, unanswered=()):
    """Checks that a transcript is whole: these prompts and no others, the others answered, and no link is broken."""
    records = transcript(lab, id_)
    known = {it["uuid"] for it in records if it.get("uuid")}
    broken = [it["parentUuid"] for it in records if it.get("parentUuid") and it["parentUuid"] not in known]
    if broken:
        raise Failed(f"{id_}: no record has the uuid {broken[0]}")

    turns = [it for it in records if it.get("type") in ("user", "assistant") and not it.get("isMeta")]
    found = [text_of(it) for it in turns if it["type"] == "user"]
    # A resume puts a synthetic answer after a prompt that has none.
    answers = sum(it["type"] == "assistant" and it["message"]["model"] != "<synthetic>" for it in turns)
    if found != prompts or answers != len(prompts) - len(unanswered):
        raise Failed(f"{id_} has {answers} answers to {found[-5:]}, not one to each of {prompts[-5:]}")


def text_of(record):
    """Returns the text of a message in a transcript."""
    content = record["message"]["content"]
    return content if isinstance(content, str) else " ".join(part.get("text") or "" for part in content)


def history(lab, text):
    """Returns the earlier prompts that the model server last got together with this one."""
    found = [it["history"] for it in lab.requests() if it["history"] and it["history"][-1] == text]
    return found[-1][:-1] if found else []


def resume(lab, id_, text, cwd):
    """Resumes a session with one prompt; returns the session it ran in and the seconds it took."""
    began = time.monotonic()
    done = claude.ask(lab, cwd, "--resume", id_, text)
    return done, time.monotonic() - began


def wait_ended(pids, seconds=60):
    """Waits until these processes have ended."""
    wait_until("the processes end", lambda: not any(is_alive(pid) for pid in pids), seconds, 0.005)

