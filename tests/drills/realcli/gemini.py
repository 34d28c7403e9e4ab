"""Sessions of Gemini CLI."""

import glob
import json
import os
import signal
import time

from lab import Terminal, same, wait_until

QUIET = ["-o", "json", "--approval-mode", "yolo"]


def prepare(lab):
    """Chooses the way to log in; without it the CLI asks."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False},
        "ui": {"hideTips": True},
    }
    lab.write(".gemini/settings.json", json.dumps(settings))


def ask(lab, cwd, *arguments):
    """Returns the session that one prompt ran in."""
    return lab.run_json("gemini", *QUIET, *arguments, cwd=cwd)["session_id"]


def make(lab, made):
    """Makes the sessions that have ended."""
    project = lab.folder()

    # A file's name has eight characters of the id only; a subagent's file is in a folder with the whole id.
    def add(id_, how, *patterns):
        return made.add("gemini", id_, how, *patterns, rest=rf"{id_}|/session-[^/]*-{id_[:8]}\.jsonl?$")

    # A resume in a later minute leaves a second file, and the next start in that folder deletes both: so what is
    # resumed has a folder of its own.
    other = lab.folder()
    resumed = add(ask(lab, other, "-p", "new"), "resumed in a later minute")
    minute = time.time() // 60

    add(ask(lab, project, "-p", "new"), "new")

    last = lab.folder()
    continued = add(ask(lab, last, "-p", "new"), "continued as the last one")
    same(continued.id, ask(lab, last, "--resume", "latest", "-p", "again"))

    given = "5e551040-0000-4000-8000-000000000002"
    same(given, ask(lab, project, "--session-id", given, "-p", "new"))
    add(given, "with an id that was given")

    long = lab.folder()
    compacted = add(ask(lab, long, "-p", "new"), "compacted")
    same(compacted.id, ask(lab, long, "--resume", compacted.id, "-p", "/compress"))

    parent = ask(lab, project, "-p", "use=agent")
    needed(lab, f"{parent}/*.jsonl")
    add(parent, "with a subagent", f"/{parent}(/|$)")

    wait_until("the next minute", lambda: time.time() // 60 > minute, 70)
    same(resumed.id, ask(lab, other, "--resume", resumed.id, "-p", "again"))


def needed(lab, pattern):
    """Waits until there is such a file of a chat, and returns the first."""
    found = lambda: glob.glob(f"{lab.home}/.gemini/tmp/*/chats/{pattern}")
    return wait_until(f"there is {pattern}", found, 30)[0]


def asked(lab, prompt):
    """Waits until the model server has that prompt."""

    def found():
        with open(f"{lab.root}/requests.jsonl", encoding="utf-8") as file:
            return any(json.loads(line)["prompt"].endswith(prompt) for line in file)

    wait_until(f"a request with {prompt}", found)


def live(lab, alive):
    """Starts the live sessions."""
    # Nothing but its arguments shows that one runs.
    cwd = lab.folder()
    id_ = ask(lab, cwd, "-p", "new")
    busy = lab.start("gemini", "--resume", id_, "-p", "wait=600 resumed", cwd=cwd)
    asked(lab, "wait=600 resumed")
    alive.add("gemini", id_, "a turn under way, resumed by its id", "in_use", busy)

    cwd = lab.folder()
    id_ = ask(lab, cwd, "-p", "new")
    terminal = Terminal(lab, "gemini", "--resume", id_, cwd=cwd)
    # It shows the conversation once it has read it.
    terminal.wait_for("This is the answer.")
    alive.add("gemini", id_, "a terminal, open and idle, resumed by its id", "in_use", terminal)

    cwd = lab.folder()
    id_ = ask(lab, cwd, "-p", "new")
    killed = lab.start("gemini", "--resume", id_, "-p", "wait=600 killed", cwd=cwd)
    asked(lab, "wait=600 killed")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    alive.add("gemini", id_, "killed", "idle")
