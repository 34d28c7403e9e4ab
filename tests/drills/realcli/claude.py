"""Sessions of Claude Code."""

import glob
import json
import os
import signal

from lab import Terminal, same, wait_until

QUIET = ["-p", "--output-format", "json"]
STREAM = ["-p", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"]


def prepare(lab):
    """Answers what a first start in a terminal asks."""
    settings = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": ["dummy"], "rejected": []},
        "projects": {f"{lab.home}/work": {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
    }
    lab.write(".claude.json", json.dumps(settings))


def ask(lab, cwd, *arguments):
    """Returns the session that one prompt ran in."""
    return lab.run_json("claude", *QUIET, *arguments, cwd=cwd)["session_id"]


def make(lab, made):
    """Makes the sessions that have ended."""
    add = lambda id_, how, *patterns: made.add("claude", id_, how, *patterns)
    project = lab.folder()

    add(ask(lab, project, "new"), "new")

    resumed = add(ask(lab, project, "new"), "resumed")
    same(resumed.id, ask(lab, project, "--resume", resumed.id, "again"))

    moved = add(ask(lab, project, "new"), "continued from another folder")
    same(moved.id, ask(lab, lab.folder(), "--resume", moved.id, "again"))

    last = lab.folder()
    continued = add(ask(lab, last, "new"), "continued as the last one")
    same(continued.id, ask(lab, last, "--continue", "again"))

    origin = add(ask(lab, project, "new"), "the origin of a fork")
    add(ask(lab, project, "--resume", origin.id, "--fork-session", "fork"), "a fork")

    compacted = add(ask(lab, project, "new"), "compacted")
    same(compacted.id, ask(lab, project, "--resume", compacted.id, "/compact"))

    given = "5e551040-0000-4000-8000-000000000001"
    same(given, ask(lab, project, "--session-id", given, "new"))
    add(given, "with an id that was given")

    # The agents' files are in another half than the session's own.
    agents = ask(lab, project, "use=agent")
    add(agents, "with a subagent", rf"{agents}/subagents(/|$)")

    flow = ask(lab, project, "--dangerously-skip-permissions", "use=workflow")
    below = rf"{flow}/subagents(/|$)"
    needed(lab, f"*/{flow}/subagents/workflows/*/agent-*.jsonl")
    add(flow, "with a workflow", below)

    tree = lab.folder()
    for command in ("init -q", "-c user.name=u -c user.email=u@localhost commit -q --allow-empty -m first"):
        os.system(f"git -C {tree} {command}")
    add(ask(lab, tree, "--worktree", "side", "new"), "in a worktree")


def needed(lab, pattern):
    """Waits until there is such a file in `projects`, and returns the first."""
    found = lambda: glob.glob(f"{lab.home}/.claude/projects/{pattern}")
    return wait_until(f"there is {pattern}", found, 30)[0]


def records(lab):
    """Returns what Claude Code writes of its processes, by session."""
    found = {}
    for path in glob.glob(f"{lab.home}/.claude/sessions/*.json"):
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        found[record["sessionId"]] = record
    return found


def resident(lab, first):
    """Starts one that stays after its first turn, as a bridge keeps it; returns it and its session."""
    child = lab.start("claude", *STREAM, cwd=lab.folder(), CLAUDE_CODE_ENTRYPOINT="sdk-ts")
    message = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": first}]}}
    child.stdin.write(json.dumps(message) + "\n")
    child.stdin.flush()
    return child, wait_until("a session", lambda: of_process(lab, child.pid))


def of_process(lab, pid):
    """Returns the session of a process once its file is there, or None."""
    found = [id_ for id_, record in records(lab).items() if record["pid"] == pid]
    return found[0] if found and glob.glob(f"{lab.home}/.claude/projects/*/{found[0]}.jsonl") else None


def become(lab, id_, status):
    """Waits for that status of a session's process."""
    wait_until(f"{id_} is {status}", lambda: records(lab).get(id_, {}).get("status") == status)


def in_terminal(lab, *arguments):
    """Starts one in a terminal, and waits until it takes a prompt."""
    terminal = Terminal(lab, "claude", *arguments, cwd=lab.folder())
    has_record = lambda: any(it["pid"] == terminal.pid for it in records(lab).values())
    wait_until("a record", has_record)
    return terminal


def live(lab, alive):
    """Starts the live sessions."""
    busy, id_ = resident(lab, "wait=600")
    become(lab, id_, "busy")
    alive.add("claude", id_, "a turn under way", "in_use", busy)

    idle, id_ = resident(lab, "new")
    become(lab, id_, "idle")
    alive.add("claude", id_, "resident after a turn", "resident", idle)

    child = lab.start("claude", "-p", "use=agent agent-wait=600", cwd=lab.folder())
    id_ = wait_until("a session", lambda: of_process(lab, child.pid))
    alive.add("claude", id_, "a turn with an agent under way", "in_use", child)

    terminal = in_terminal(lab)
    terminal.type("new")
    id_ = wait_until("a session", lambda: of_process(lab, terminal.pid))
    become(lab, id_, "idle")
    alive.add("claude", id_, "a terminal, open and idle", "resident", terminal)

    asks = in_terminal(lab, "--permission-mode", "default")
    asks.type("use=shell")
    id_ = wait_until("a session", lambda: of_process(lab, asks.pid))
    become(lab, id_, "waiting")
    alive.add("claude", id_, "a terminal that asks for a permission", "in_use", asks)

    cleared = in_terminal(lab)
    cleared.type("new")
    old = wait_until("a session", lambda: of_process(lab, cleared.pid))
    become(lab, old, "idle")
    cleared.type("/clear")
    wait_until("a new session", lambda: old not in records(lab))
    cleared.type("again")
    id_ = wait_until("its file", lambda: of_process(lab, cleared.pid))
    become(lab, id_, "idle")
    alive.add("claude", old, "left by /clear", "idle")
    alive.add("claude", id_, "begun by /clear", "resident", cleared)

    lab.run("claude", "--bg", "new", cwd=lab.folder())
    background = lambda: [it["sessionId"] for it in records(lab).values() if it.get("kind") == "bg"]
    id_ = wait_until("a background session", background)[0]
    become(lab, id_, "idle")
    # Its record is idle, but the host of its terminal can have the id among its arguments, and has no record.
    alive.add("claude", id_, "in the background", "resident or in_use")

    killed, id_ = resident(lab, "new")
    become(lab, id_, "idle")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    alive.add("claude", id_, "killed", "idle")
