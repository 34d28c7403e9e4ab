#!/usr/bin/env python3
"""Writes to the map in a loop while cleans run in a loop, and counts what gets lost.

usage: writers.py BINARY [WRITES], 10000 if not said

Every writer does as the bridge does: it opens the file with truncation and writes it whole, without a
lock. With each write a chat with an active session and one with an idle session come, and the oldest such
chats go; so it is known which chats that are not idle the map must hold, neither fewer nor more. Three
kinds, so many writes each, half of them in a tight loop and half with pauses of up to 10 ms:

- from memory, as the bridge. A write that is lost comes back with the next one, so after each clean the
  writer rests, and the file is compared with its last write.
- a script that reads the file before each write, and finds what its last one has lost.
- a running bridge that is asked to let go, and whose memory changes with each chat.

Nothing of another session than an idle one may ever go. Beside a running bridge nothing may be lost; from
the file, which gives no lock to share, at most one chat in 200 writes. A clean may end with 1, where the
map never holds still, and with 3, where it meets the writer with the map open and takes it for a bridge.
"""

import collections
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time

from home import Home
from stand_in import running

EACH = 10
LONGEST_PAUSE = 0.01
# How many chats of its own a writer has at once, of each sort.
OWN = 20
MOST_LOST = 1 / 200
MODEL = "claude-cli"


class Chats:
    """What chats a writer has after so many writes; no more than a function of that number."""

    def __init__(self, home):
        self.home, ids = home, home.chats[MODEL]
        self.idle_ids = {home.chats[model][chat] for model, chat in home.idle}
        idle = [id_ for chat, id_ in ids.items() if (MODEL, chat) in home.idle]
        self.sorts = {"idle": idle, "active": [id_ for id_ in ids.values() if id_ not in idle]}
        # What is not idle stays: these, and the writer's own.
        self.stay = {(model, chat, id_) for model in home.chats for chat, id_ in home.chats[model].items()}
        self.stay -= {mapping for mapping in self.stay if mapping[2] in self.idle_ids}

    def write(self, number, sessions):
        """What write `number` changes in a map that holds the writes before it."""
        for sort, ids in self.sorts.items():
            sessions[MODEL][f"{sort}-{number}"] = ids[number % len(ids)]
            sessions[MODEL].pop(f"{sort}-{number - OWN}", None)

    def differ(self, number, sessions):
        """How many mappings that are not idle are missing after write `number`, or should have gone."""
        mine = range(max(1, number - OWN + 1), number + 1)
        ids = self.sorts["active"]
        must = self.stay | {(MODEL, f"active-{it}", ids[it % len(ids)]) for it in mine}
        have = {(model, chat, id_) for model in sessions for chat, id_ in sessions[model].items()}
        return len(must ^ {mapping for mapping in have if mapping[2] not in self.idle_ids})


def pause(number, writes):
    """None in the first half of the writes, then any."""
    return random.uniform(0, LONGEST_PAUSE) if number > writes // 2 else 0


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write(chats, writes, pipe, reads):
    """The writer's process. It rests between two writes when it is asked to, and says where it is."""
    sessions, lost = json.loads(chats.home.old), 0
    for number in range(1, writes + 1):
        if reads:
            try:
                found = read(chats.home.map)
            except ValueError:
                # Nobody but this process writes in place.
                found = {model: {} for model in sessions}
            differ = chats.differ(number - 1, found)
            lost += differ
            # What was lost is counted once, and mended.
            sessions = sessions if differ else found
        chats.write(number, sessions)
        with open(chats.home.map, "w", encoding="utf-8") as file:
            json.dump(sessions, file)
        if pipe.poll(pause(number, writes)):
            pipe.recv()
            pipe.send((number, lost, False))
            pipe.recv()
    pipe.recv()
    pipe.send((writes, lost, True))


def beside_the_file(binary, home, writes, reads):
    """The exit codes of the cleans, and how many chats were lost."""
    chats, codes, lost, is_over = Chats(home), collections.Counter(), 0, False
    pipe, its = multiprocessing.Pipe()
    writer = multiprocessing.Process(target=write, args=(chats, writes, its, reads))
    writer.start()
    try:
        while not is_over:
            codes[home.clean(binary)[0]] += 1
            pipe.send(None)
            number, its_lost, is_over = pipe.recv()
            if is_over or not reads:
                lost += chats.differ(number, read(home.map))
            if not is_over:
                pipe.send(None)
        writer.join()
    finally:
        writer.kill()
    return codes, lost + its_lost


def beside_a_bridge(binary, home, writes, _):
    chats, codes, lost = Chats(home), collections.Counter(), []

    def chat(bridge):
        def change(sessions):
            lost.append(chats.differ(number - 1, sessions))
            chats.write(number, sessions)
            return True

        for number in range(1, writes + 1):
            bridge.change(change)
            # Without a pause, Python would let nobody else at the map in memory.
            time.sleep(max(0.0005, pause(number, writes)))

    with running(os.path.dirname(home.map)) as bridge:
        writer = threading.Thread(target=chat, args=[bridge])
        writer.start()
        while writer.is_alive() or not codes:
            codes[home.run(binary, "clean", "--bridge", bridge.url, "--map", home.map)[0]] += 1
        lost.append(chats.differ(writes, bridge.map))
        if read(home.map) != bridge.map:
            raise RuntimeError("the stand-in has not written what it holds")
    return codes, sum(lost)


def drill(title, binary, writes, kind, most_lost, reads=False):
    """Whether anything went wrong."""
    with tempfile.TemporaryDirectory(prefix="session-warden-writers-") as root:
        home = Home(root, EACH)
        codes, lost = kind(binary, home, writes, reads)
        chats = Chats(home)
        offences = []
        if lost > most_lost * writes:
            offences.append(f"lost {lost} chats")
        if set(codes) - {0, 1, 3}:
            offences.append(f"exit codes {dict(codes)}")
        went = home.journal("removals.jsonl")
        wrong = [line for line in went if line["session"] not in chats.idle_ids]
        if wrong:
            offences.append(f"{len(wrong)} went that are not idle, such as {wrong[0]}")
        if not went:
            offences.append("nothing ever went, so this shows nothing")
        code, said = home.clean(binary)
        left = {id_ for sessions in read(home.map).values() for id_ in sessions.values()}
        if code != 0 or left & chats.idle_ids or home.litter():
            offences.append(f"once all is quiet, a clean ends with {code}: {said}; litter: {home.litter()}")
        if chats.differ(writes, read(home.map)):
            offences.append("once all is quiet, a clean takes what is not idle")
    told = ", ".join(f"{codes[code]} with {code}" for code in sorted(codes))
    print(f"{title}: {writes} writes, {codes.total()} cleans ({told}), {len(went)} went, {lost} lost")
    for it in offences:
        print(f"OFFENCE  {title}: {it}")
    return bool(offences)


def main():
    binary = os.path.realpath(sys.argv[1])
    writes = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    wrong = [
        drill("written from memory", binary, writes, beside_the_file, MOST_LOST),
        drill("read, then written", binary, writes, beside_the_file, MOST_LOST, reads=True),
        drill("a running bridge", binary, writes, beside_a_bridge, 0),
    ]
    sys.exit(any(wrong))


main()
