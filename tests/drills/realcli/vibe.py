"""Sessions of Mistral's vibe."""

import glob
import os
import re
import signal

from lab import URL, Terminal, same, wait_until

CONFIG = f"""active_model = "mock"
enable_auto_update = false
enable_telemetry = false
enable_update_checks = false

[[providers]]
name = "mock"
api_base = "{URL}/v1"
api_key_env_var = "MISTRAL_API_KEY"
api_style = "openai"
backend = "generic"

[[models]]
name = "mock"
provider = "mock"
alias = "mock"
"""
QUIET = ["--trust", "--auto-approve", "--output", "json"]


def prepare(lab):
    """Names the model server."""
    lab.write(".vibe/config.toml", CONFIG)


def ask(lab, cwd, *arguments):
    """Returns the session that one prompt ran in."""
    return lab.run_json("vibe", *QUIET, *arguments, cwd=cwd)[-1]["sessionId"]


def make(lab, made):
    """Makes the sessions that have ended."""
    add = lambda id_, how, *patterns: made.add("vibe", id_, how, *patterns)
    project = lab.folder()

    add(ask(lab, project, "-p", "new"), "new")

    resumed = add(ask(lab, project, "-p", "new"), "resumed")
    same(resumed.id, ask(lab, project, "--resume", resumed.id, "-p", "again"))

    moved = add(ask(lab, project, "-p", "new"), "continued from another folder")
    same(moved.id, ask(lab, lab.folder(), "--resume", moved.id, "-p", "again"))

    last = lab.folder()
    continued = add(ask(lab, last, "-p", "new"), "continued as the last one")
    same(continued.id, ask(lab, last, "--continue", "-p", "again"))


def locks(lab):
    """Returns the sessions that have a lock's file."""
    paths = glob.glob(f"{lab.home}/.vibe/logs/session/active/*.lock")
    ids = {os.path.basename(path)[: -len(".lock")] for path in paths}
    return {id_ for id_ in ids if re.fullmatch("[-0-9a-f]{36}", id_)}


def opened(lab, start, prompt=None):
    """Starts something by `start`; returns that and its session, once that has a file."""
    known = locks(lab)
    process = start()
    id_ = next(iter(wait_until("a session's lock", lambda: locks(lab) - known)))
    if prompt:
        process.type(prompt)
    file = f"{lab.home}/.vibe/logs/session/unified/{id_}/meta.json"
    wait_until("a session's file", lambda: os.path.exists(file))
    return process, id_


def busy(lab):
    """Starts a long turn."""
    child = lab.start("vibe", *QUIET, "-p", "wait=600", cwd=lab.folder())
    child.stdin.close()
    return child


def live(lab, alive):
    """Starts the live sessions."""
    child, id_ = opened(lab, lambda: busy(lab))
    alive.add("vibe", id_, "a turn under way", "in_use", child)

    killed, id_ = opened(lab, lambda: busy(lab))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    alive.add("vibe", id_, "killed", "idle")

    terminal, id_ = opened(lab, lambda: Terminal(lab, "vibe", "--trust", cwd=lab.folder()), "new")
    alive.add("vibe", id_, "a terminal, open and idle", "in_use", terminal)
