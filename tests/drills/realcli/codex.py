"""Sessions of Codex."""

import glob
import json
import os
import re
import signal

from lab import URL, Failed, Terminal, same, wait_until

CONFIG = f"""model = "mock"
model_provider = "mock"
check_for_update_on_startup = false

[model_providers.mock]
name = "mock"
base_url = "{URL}/v1"
wire_api = "responses"

[projects."HOME/work"]
trust_level = "trusted"
"""
EXEC = ["exec", "--json", "--skip-git-repo-check"]


def prepare(lab):
    """Names the model server."""
    lab.write(".codex/config.toml", CONFIG.replace("HOME", lab.home))


def ask(lab, cwd, *arguments):
    """Returns the thread that one prompt ran in."""
    events = [json.loads(line) for line in lab.run("codex", *EXEC, *arguments, cwd=cwd).splitlines()]
    return next(event["thread_id"] for event in events if event["type"] == "thread.started")


def make(lab, made):
    """Makes the sessions that have ended."""
    add = lambda id_, how, *patterns, **more: made.add("codex", id_, how, *patterns, **more)
    project = lab.folder()

    add(ask(lab, project, "new"), "new")

    resumed = add(ask(lab, project, "new"), "resumed")
    same(resumed.id, ask(lab, project, "resume", resumed.id, "again"))

    moved = add(ask(lab, project, "new"), "continued from another folder")
    same(moved.id, ask(lab, lab.folder(), "resume", moved.id, "again"))

    origin = add(ask(lab, project, "new"), "the origin of a fork")
    add(ask(lab, project, "fork", origin.id, "fork"), "a fork")

    archived = add(ask(lab, project, "new"), "archived", is_archived=True)
    lab.run("codex", "archive", archived.id, cwd=project)

    unarchived = add(ask(lab, project, "new"), "unarchived")
    lab.run("codex", "archive", unarchived.id, cwd=project)
    lab.run("codex", "unarchive", unarchived.id, cwd=project)

    parent = add(ask(lab, project, "use=agent"), "with a subagent")
    parent.agents.append(add(agent_of(lab, parent.id), "a subagent", is_agent=True))

    deleted = ask(lab, project, "new")
    lab.run("codex", "delete", "--force", deleted, cwd=project)
    made.gone.append(("codex", deleted))

    server = Server(lab, project)
    add(server.thread("new", "/compact"), "compacted")
    reverted = server.thread("new", "again", "/revert", "once more")
    # What it writes after the revert is in another file, and in another half.
    add(reverted, "reverted", rf"{reverted}_[-0-9a-f]+\.jsonl")
    needed(lab, f"*/*/*/rollout-*-{reverted}_*.jsonl")
    server.end()


def needed(lab, pattern):
    """Waits until there is such a file in `sessions`, and returns the first."""
    found = lambda: glob.glob(f"{lab.home}/.codex/sessions/{pattern}")
    return wait_until(f"there is {pattern}", found, 30)[0]


def agent_of(lab, parent):
    """Returns the thread of a thread's subagent."""

    def found():
        for path in glob.glob(f"{lab.home}/.codex/sessions/*/*/*/*.jsonl"):
            with open(path, encoding="utf-8") as file:
                header = json.loads(file.readline())["payload"]
            if header.get("parent_thread_id") == parent:
                return header["id"]
        return None

    return wait_until("a subagent's file", found, 30)


class Server:
    """An app server: some things can only be asked of it, or in a terminal."""

    def __init__(self, lab, cwd):
        self.pipe, self.theirs = os.pipe()
        self.child = lab.start("codex", "app-server", cwd=cwd, out=self.theirs)
        os.close(self.theirs)
        self.lines, self.cwd, self.calls = os.fdopen(self.pipe, encoding="utf-8"), cwd, 0
        self.call("initialize", clientInfo={"name": "drill", "version": "1"}, capabilities={"experimentalApi": True})

    def call(self, method, **parameters):
        """Returns the result of a call."""
        self.calls += 1
        request = {"id": self.calls, "method": method, "params": parameters}
        self.child.stdin.write(json.dumps(request) + "\n")
        self.child.stdin.flush()
        answer = self.read(lambda message: message.get("id") == self.calls and "method" not in message)
        if "result" not in answer:
            raise Failed(f"codex app-server: {method}: {answer}")
        return answer["result"]

    def read(self, is_it):
        """Returns the next message of that kind."""
        for line in self.lines:
            if is_it(message := json.loads(line)):
                return message

        raise Failed("codex app-server ended")

    def thread(self, *steps):
        """Runs prompts in a new thread, or `/compact`, or `/revert` of the last turn, and returns the thread."""
        thread = self.call("thread/start", cwd=self.cwd)["thread"]["id"]
        turn = None
        for step in steps:
            if step == "/revert":
                self.call("thread/revert", threadId=thread, beforeTurnId=turn)
                continue

            if step == "/compact":
                self.call("thread/compact/start", threadId=thread)
            else:
                words = [{"type": "text", "text": step}]
                turn = self.call("turn/start", threadId=thread, input=words)["turn"]["id"]
            self.read(lambda message: message.get("method") == "turn/completed")

        return thread

    def end(self):
        self.child.stdin.close()
        self.child.wait(30)


def locks(lab):
    """Returns the threads that have a lock's file."""
    paths = glob.glob(f"{lab.home}/.codex/thread-writer-locks/*.lock")
    ids = {os.path.basename(path)[: -len(".lock")] for path in paths}
    return {id_ for id_ in ids if re.fullmatch("[-0-9a-f]{36}", id_)}


def busy(lab):
    """Starts a long turn; returns its process and its thread, once that has a file."""
    pipe, theirs = os.pipe()
    child = lab.start("codex", *EXEC, "wait=600", cwd=lab.folder(), out=theirs)
    child.stdin.close()
    os.close(theirs)
    # It stays open: Codex ends when nobody reads what it prints.
    child.lines = os.fdopen(pipe, encoding="utf-8")
    events = map(json.loads, child.lines)
    id_ = next(event["thread_id"] for event in events if event["type"] == "thread.started")
    needed(lab, f"*/*/*/*{id_}.jsonl")
    return child, id_


def live(lab, alive):
    """Starts the live sessions."""
    child, id_ = busy(lab)
    alive.add("codex", id_, "a turn under way", "in_use", child)

    killed, id_ = busy(lab)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    alive.add("codex", id_, "killed", "idle")

    # The daemon that it starts holds the lock, also before the first prompt.
    known = locks(lab)
    terminal = Terminal(lab, "codex", cwd=lab.folder())
    id_ = next(iter(wait_until("a thread's lock", lambda: locks(lab) - known)))
    terminal.type("new")
    needed(lab, f"*/*/*/*{id_}.jsonl")
    alive.add("codex", id_, "a terminal, open and idle", "in_use", terminal)
