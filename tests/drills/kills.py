#!/usr/bin/env python3
"""Kills cleans and undos at random moments (SIGKILL), and looks at what that leaves behind.

usage: kills.py BINARY [KILLS], 1000 if not said

So many on the map's file, half of them of a clean and half of an undo; then a fifth as many where a
bridge holds the map: of a clean that asks it, and of an undo while it is stopped. Half of them come at
any moment of a run, the others close to the moment at which the last ones have changed the map. After
each kill: the map is the old one or the new one, or, where a bridge is asked, lacks the first few of what
was to go; the journal is whole but for half a line at its end; the next runs do their work and leave no
litter; and undo puts back everything that went.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from home import JOURNAL, Home
from stand_in import running

# Old enough to be forgotten: so each clean that comes to its end replaces the files of the journal, too.
TIME = "2001-01-01T00:00:00Z"
MAPPING = {"run": "ancient", "time": TIME, "map": None, "model": "m", "chat": "c", "session": "s"}
# What is to be forgotten, in each file.
ANCIENT = {
    "removals.jsonl": {**MAPPING, "url": None, "form": "today", "before": None, "last_used": None, "reason": "idle"},
    "restored.jsonl": {**MAPPING, "done": True},
    "runs.jsonl": {"run": "ancient", "started": TIME, "ended": TIME, "exit": 0, "summary": {}, "warning": None},
}


class Moment:
    """When to kill a run, by how long it takes and when it changes the map; both are learnt."""

    def __init__(self, title):
        self.title, self.took, self.change, self.is_close = title, 0.05, 0.05, False
        self.before = self.after = self.late = 0

    def random(self):
        self.is_close = not self.is_close
        return self.change * random.uniform(0.8, 1.2) if self.is_close else random.uniform(0, self.took)

    def saw(self, was_killed, is_changed):
        self.late += not was_killed
        self.before += was_killed and not is_changed
        self.after += was_killed and is_changed
        if self.is_close:
            self.change *= 0.87 if is_changed else 1.15
        else:
            self.took *= 1.05 if was_killed else 0.87

    def kills(self):
        return self.before + self.after

    def add(self, other):
        self.before += other.before
        self.after += other.after
        self.late += other.late

    def __str__(self):
        moments = f"{self.before} before the map changed, {self.after} after"
        return f"{self.title}: {self.kills()} kills, {moments}; {self.late} came too late"


def read(home):
    with open(home.map, "rb") as file:
        return file.read()


def renew(home):
    """The old map, and a journal that knows of nothing but what is to be forgotten."""
    home.reset()
    shutil.rmtree(home.state, ignore_errors=True)
    os.makedirs(home.state, mode=0o700)
    for name, line in ANCIENT.items():
        with open(f"{home.state}/{name}", "w", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def on(home, bridge=None):
    return ["--map", home.map, "--bridge", bridge.url if bridge else "off"]


def kill(home, binary, moment, *arguments):
    """Whether that run was killed: it may have ended before. And what is wrong with how it did."""
    with home.start(binary, *arguments) as child:
        try:
            time.sleep(moment.random())
        finally:
            child.kill()
        said = child.communicate()[1]
    wrong = []
    if child.returncode not in (0, -signal.SIGKILL):
        wrong.append(f"ended with {child.returncode} before it was killed: {said.decode(errors='replace')}")
    try:
        for name in JOURNAL:
            home.journal(name)
    except ValueError as error:
        wrong.append(f"left a line that is no JSON in {name}: {error}")
    return child.returncode == -signal.SIGKILL, wrong


def then(home, binary, left, command, bridge=None):
    """Another run, which must do its work, and what is wrong with it: `left` is to be in the map."""
    code, said, _ = home.run(binary, command, *on(home, bridge))
    if code != 0:
        yield f"then {command} ended with {code}: {said}"
    if read(home) != left:
        gone = home.gone()
        yield f"then {command} left another map, without {'?' if gone is None else len(gone)} mappings"


def kill_clean(home, binary, moment, new):
    """One round; its offences."""
    renew(home)
    was_killed, wrong = kill(home, binary, moment, "clean", *on(home))
    yield from wrong
    now = read(home)
    moment.saw(was_killed, now == new)
    if now not in (home.old, new):
        yield f"the map is neither the old nor the new one: {len(now)} bytes"
    # Some put back at once what the journal of the killed run holds, others clean first.
    is_back = random.random() < 0.5
    if is_back:
        yield from then(home, binary, home.old, "undo")
    is_pinned = is_back and now == new
    yield from then(home, binary, home.old if is_pinned else new, "clean")
    yield from then(home, binary, home.old, "undo")


def kill_undo(home, binary, moment, new):
    renew(home)
    yield from then(home, binary, new, "clean")
    was_killed, wrong = kill(home, binary, moment, "undo", *on(home))
    yield from wrong
    now = read(home)
    moment.saw(was_killed, now == home.old)
    if now not in (home.old, new):
        yield f"the map is neither the old nor the new one: {len(now)} bytes"
    # What has come back stays, though the undo never came to its end.
    if random.random() < 0.5:
        yield from then(home, binary, now, "clean")
    yield from then(home, binary, home.old, "undo")
    yield from then(home, binary, home.old, "clean")


def kill_asking_clean(home, binary, moment, new):
    renew(home)
    folder = os.path.dirname(home.map)
    with running(folder) as bridge:
        was_killed, wrong = kill(home, binary, moment, "clean", *on(home, bridge))
    yield from wrong
    moment.saw(was_killed, bool(bridge.went))
    count = len(bridge.went)
    order = [(model, chat) for model in home.chats for chat in home.chats[model]]
    order = [mapping for mapping in order if mapping in home.idle]
    if bridge.went != order[:count]:
        yield f"let go in another order than the map's: {bridge.went}"
    if home.gone() != set(bridge.went):
        yield "the bridge and its file do not agree"
    # It may have been killed between writing one down and asking for it.
    down = [(line["model"], line["chat"]) for line in home.journal("removals.jsonl") if line["run"] != "ancient"]
    if down not in (order[:count], order[: count + 1]):
        yield f"{count} went, and {len(down)} were written down: {down[-2:]}"
    with running(folder) as bridge:
        yield from then(home, binary, new, "clean", bridge)
    if count < len(order):
        code, said, _ = home.run(binary, "undo", *on(home))
        if code != 0 or home.gone() != set(order[:count]):
            yield f"then the first undo ended with {code}: {said}"
    yield from home.undo_all(binary)
    if read(home) != home.old:
        yield f"undo left another map, without {home.gone()}"


def kill_undo_of_asked(home, binary, moment, new):
    renew(home)
    folder = os.path.dirname(home.map)
    with running(folder) as bridge:
        yield from then(home, binary, new, "clean", bridge)
    was_killed, wrong = kill(home, binary, moment, "undo", *on(home))
    yield from wrong
    now = read(home)
    moment.saw(was_killed, now == home.old)
    if now not in (home.old, new):
        yield f"the map is neither the old nor the new one: {len(now)} bytes"
    yield from then(home, binary, home.old, "undo")
    with running(folder) as bridge:
        yield from then(home, binary, home.old, "clean", bridge)


def drill(binary, each, kills, *rounds):
    """So many kills by each of these kinds of rounds in turn; how many rounds went wrong."""
    workers, is_over = os.cpu_count() or 1, threading.Event()

    def some(share):
        told, moments = [], [(kind, Moment(title)) for kind, title in rounds]
        with tempfile.TemporaryDirectory(prefix="session-warden-kills-") as root:
            home = Home(root, each)
            stay = {model: {chat: id_ for chat, id_ in chats.items() if (model, chat) not in home.idle}
                    for model, chats in home.chats.items()}  # fmt: skip
            new = json.dumps(stay).encode()
            while not is_over.is_set():
                left = [both for both in moments if both[1].kills() < share]
                if not left:
                    break
                for kind, moment in left:
                    offences = [*kind(home, binary, moment, new)]
                    if home.litter():
                        offences.append(f"left behind: {home.litter()}")
                    told.append([f"{moment.title}: {it}" for it in offences])
        return told, [moment for _, moment in moments]

    wrong, all_ = 0, [Moment(title) for _, title in rounds]
    with ThreadPoolExecutor(workers) as pool:
        try:
            shares = [kills // workers + (number < kills % workers) for number in range(workers)]
            for told, moments in pool.map(some, shares):
                for moment, one in zip(all_, moments):
                    moment.add(one)
                wrong += sum(map(bool, told))
                for it in sum(told, []):
                    print(f"OFFENCE  {it}")
        finally:
            is_over.set()
    for moment in all_:
        print(moment)
    return wrong


def main():
    binary = os.path.realpath(sys.argv[1])
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    wrong = drill(binary, 75, kills // 2, (kill_clean, "clean of the file"), (kill_undo, "undo of the file"))
    asking = (kill_asking_clean, "clean by a bridge"), (kill_undo_of_asked, "undo of what a bridge let go")
    wrong += drill(binary, 5, kills // 10, *asking)
    print(f"{wrong} rounds with offences")
    sys.exit(1 if wrong else 0)


main()
