#!/usr/bin/env python3
"""Starts cleans and undos on one map at once, and asks whether some order of them explains the end.

usage: crowd.py BINARY [ROUNDS], 200 if not said

In each round two to eight cleans and up to three undos start within a fifth of a second; some of the
cleans keep what is of one CLI. Each ends with 0, 3 or 75, and with 75 it prints nothing on standard output;
an undo may also refuse to choose an older run. A clean reports every mapping that it found, and an undo
what it restored: so there must be an order of those runs in which each finds what the one before it left,
and that ends with the map as it is; and what an undo has restored, no later clean removes. The journal holds
just what they report. No mapping is removed that is not idle, and undo restores every one.
"""

import collections
import json
import os
import random
import shutil
import sys
import tempfile
import threading

from home import Home

EACH = 4
# Within how many seconds the runs of a round start: all on top of each other, or some behind others.
SPREADS = [0.01, 0.04, 0.2]


class Clean:
    """What a clean claims that was done."""

    def __init__(self, out):
        report = json.loads(out)
        rows = [(row["model"], row["chat_id"], row["action"]) for row in report["sessions"]]
        self.run = report["run"]
        self.found = {(model, chat) for model, chat, _ in rows}
        self.went = {(model, chat) for model, chat, action in rows if action == "removed"}

    def after(self, there, pinned):
        """What it leaves where that was there and pinned; nothing where it cannot have been."""
        return (there - self.went, pinned) if there == self.found and not self.went & pinned else None


class Undo:
    """What an undo claims that was done."""

    def __init__(self, out):
        report = json.loads(out)
        rows = [(row["model"], row["chat_id"], row["action"]) for row in report["mappings"]]
        self.run = report["run"]
        self.back = {(model, chat) for model, chat, action in rows if action == "restored"}
        self.already = {(model, chat) for model, chat, _ in rows} - self.back

    def after(self, there, pinned):
        is_so = self.already <= there and not self.back & there
        return (there | self.back, pinned | self.back) if is_so else None


def explains(there, pinned, runs, end):
    """Whether there is an order of these runs that leads from here to that end."""
    if not runs:
        return there == end
    nexts = ((place, run.after(there, pinned)) for place, run in enumerate(runs))
    return any(left and explains(*left, runs[:place] + runs[place + 1 :], end) for place, left in nexts)


def start_all(home, binary, commands):
    """How each of them ended, once all have: its command, code, standard error and standard output."""
    ended = []

    def run(command):
        ended.append((command, *home.run(binary, *command, "--bridge", "off", "--map", home.map)))

    spread = random.choice(SPREADS)
    timers = [threading.Timer(random.uniform(0, spread), run, [command]) for command in commands]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join()
    return ended


def journal_offences(home, runs):
    """Where the journal holds anything else than what the runs claim."""
    voided = [line for line in home.journal("restored.jsonl") if line["void"]]
    if voided:
        yield f"took back what nobody else can have changed: {voided[0]}"
    down = collections.Counter((it["run"], it["model"], it["chat"]) for it in home.journal("removals.jsonl"))
    claimed = collections.Counter((run.run, *it) for run in runs if isinstance(run, Clean) for it in run.went)
    if down != claimed:
        yield f"wrote down, and did not claim: {[*(down - claimed)]}; the reverse: {[*(claimed - down)]}"
    done = [line for line in home.journal("restored.jsonl") if line["done"]]
    down = collections.Counter((it["run"], it["model"], it["chat"]) for it in done)
    claimed = collections.Counter((run.run, *it) for run in runs if isinstance(run, Undo) for it in run.back)
    if down != claimed:
        yield f"put back, and did not claim: {[*(down - claimed)]}; the reverse: {[*(claimed - down)]}"


def a_round(home, binary, codes):
    """Its offences."""
    home.reset()
    shutil.rmtree(home.state, ignore_errors=True)
    keeps = [[], ["--pin", "claude-cli/*"], ["--pin", "codex-cli/*"], ["--pin", "gemini-cli/*"]]
    cleans = [["clean", "--format", "json", *random.choice(keeps)] for _ in range(random.randint(2, 8))]
    undos = [["undo", "--format", "json"] for _ in range(random.randint(0, 3))]
    ended = start_all(home, binary, cleans + undos)
    runs = []
    for command, code, said, out in ended:
        codes[command[0], code] += 1
        # An undo asks for the run's name where a newer one has removed something, and is undone itself.
        if command[0] == "undo" and code == 1 and "an older run must be named" in said:
            continue
        if code not in (0, 3, 75) or (code == 3) != bool(said) and code != 75:
            yield f"{command[0]} ended with {code}: {said}"
        if code in (0, 3):
            runs.append((Clean if command[0] == "clean" else Undo)(out))
        elif out:
            yield f"{command[0]} ended with {code} and printed {out!r}"
    if not any(isinstance(run, Clean) for run in runs):
        yield "no clean was done, though none but runs like these was in its way"
    gone = home.gone()
    if gone is None:
        yield "the map is no map, or holds what was not in it"
        return
    if gone - home.idle:
        yield f"went, and is not idle: {sorted(gone - home.idle)}"
    all_ = {(model, chat) for model in home.chats for chat in home.chats[model]}
    if not explains(all_, set(), runs, all_ - gone):
        yield f"no order of the {len(runs)} runs that were done explains why {len(gone)} are gone"
    yield from journal_offences(home, runs)
    yield from home.undo_all(binary)
    code, said, out = home.run(binary, "undo", "--map", home.map)
    if code != 0 or not out.startswith("Nothing to restore"):
        yield f"after all that undo ended with {code}: {said}{out}"
    if home.gone() != set() or home.litter():
        yield f"in the end these are missing: {sorted(home.gone() or [])[:3]}; litter: {home.litter()}"


def main():
    binary = os.path.realpath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    codes, wrong = collections.Counter(), 0
    with tempfile.TemporaryDirectory(prefix="session-warden-crowd-") as root:
        home = Home(root, EACH)
        for _ in range(rounds):
            offences = [*a_round(home, binary, codes)]
            wrong += bool(offences)
            for it in offences:
                print(f"OFFENCE  {it}")
    for command in ("clean", "undo"):
        told = [f"{codes[it]} with {it[1]}" for it in sorted(codes) if it[0] == command]
        print(f"{command}: {sum(codes[it] for it in codes if it[0] == command)} runs, {', '.join(told)}")
    print(f"{rounds} rounds, {wrong} with offences")
    sys.exit(1 if wrong else 0)


main()
