#!/usr/bin/env python3
"""Cleans whose clock is wrong, set meanwhile, in any time zone, and where summer time begins or ends.

usage: clocks.py BINARY

Whatever the clock: nothing goes that the time on it does not make idle, what goes can be put back, and
what was put back is kept for one threshold of that clock, and no longer. In every time zone, of the CLI
and of the clean, exactly the idle go. Needs Debian's packages faketime and tzdata.
"""

import glob
import json
import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fake_clock import fake, is_faked
from home import Home

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
THRESHOLD = 2 * HOUR
# How long the journal keeps what it knows.
KEPT = 90 * DAY
CODEX = "codex-cli"
# Etc/GMT+12 is twelve hours behind UTC. The others have half hours, quarters, or a day of their own.
ZONES = [f"Etc/GMT{-hours:+}" for hours in range(-12, 15)] + [
    "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Chatham",
    "Pacific/Apia",
]  # fmt: skip
# When clocks are changed: to summer time and back, in UTC.
CHANGES = {
    "Europe/Berlin": ["2026-03-29T01:00+00:00", "2026-10-25T01:00+00:00"],
    "America/New_York": ["2026-03-08T07:00+00:00", "2026-11-01T06:00+00:00"],
}
# Minutes before and after a change at which a clean runs, and since which sessions are idle then. A
# difference of local times is an hour off.
RUNS_AT = [-90, -30, 0, 15, 30, 60, 90, 119, 121, 180, 200, 240]
AGES = [1, 58, 62, 118, 122, 178, 182, 300]
# What a clock can be set to that is no time at all for a chat: batteries run out, counters run over.
ODD_TIMES = ["1970-01-01T00:01", "1999-12-31T23:59", "2038-01-19T03:14", "2106-02-07T06:28",
             "2262-04-11T23:47", "2500-01-01T00:00"]  # fmt: skip


def clean(home, binary, clock, *options):
    """What went, or why it is not known."""
    command = ["clean", "--bridge", "off", "--map", home.map, *options]
    code, complaint, _ = home.run(binary, *command, before=clock)
    return home.gone() if code == 0 and not complaint else f"ended with {code}: {complaint}"


def undo(home, binary, clock, *run):
    """Nothing, if that gave back the map to the byte."""
    command = ["undo", *run, "--bridge", "off", "--map", home.map]
    code, complaint, said = home.run(binary, *command, before=clock)
    with open(home.map, "rb") as file:
        is_whole = code == 0 and file.read() == home.old
    return set() if is_whole else f"undo ended with {code}: {complaint}{said}"


class Drill:
    """Checks of one title, counted."""

    def __init__(self, title):
        self.title, self.count, self.wrong = title, 0, 0

    def check(self, what, is_, should_be):
        self.count += 1
        if is_ == should_be:
            return
        self.wrong += 1
        if isinstance(is_, set):
            is_ = f"went and should not: {sorted(is_ - should_be)[:2]}, stayed: {sorted(should_be - is_)[:2]}"
        print(f"OFFENCE  {self.title}, {what}: {' | '.join(str(is_).splitlines())}")

    def told(self):
        print(f"{self.title}: {self.count} checks, {self.wrong} offences", flush=True)
        return self.wrong


@contextmanager
def home_of(each):
    with tempfile.TemporaryDirectory(prefix="session-warden-clocks-") as root:
        yield Home(root, each)


def rfc3339(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def rollout(home, chat, zone, made, age, record_age=None):
    """A session of a Codex that ran in that zone: its folder and name are of its local time."""
    local = datetime.fromtimestamp(made, ZoneInfo(zone))
    stamp = f"{int(made * 1000):012x}"
    session = f"{stamp[:8]}-{stamp[8:]}-7{os.urandom(2).hex()[1:]}-8{os.urandom(2).hex()[1:]}-{home.own}"
    path = f"{home.root}/home/.codex/sessions/{local:%Y/%m/%d/rollout-%Y-%m-%dT%H-%M-%S}-{session}.jsonl"
    record = {"timestamp": rfc3339(time.time() - (age if record_age is None else record_age))}
    home.put(CODEX, chat, session, path, {**record, "type": "session_meta", "payload": {}}, age)
    return (CODEX, chat)


def zones(binary):
    """In whichever zone a session was made, a clean in any zone sees it."""
    drill = Drill(f"{len(ZONES)} zones of the CLI, as many of the clean")
    now = time.time()
    # Around midnight in UTC, and at the ends of months and years, where the local day is another.
    new_year = datetime(datetime.now().year, 1, 1, tzinfo=UTC).timestamp()
    midnights = [now // DAY * DAY - 40 * DAY, new_year, new_year - 306 * DAY]
    made = [time_ + shift for time_ in midnights for shift in (-1, 1, 12 * HOUR)]
    with home_of(0) as home:
        by_record = set()
        for number, zone in enumerate(ZONES):
            for nth, time_ in enumerate(made):
                name = f"{number}-{nth}"
                rollout(home, f"active-{name}", zone, time_, 60)
                home.idle.add(rollout(home, f"idle-{name}", zone, time_, 5 * HOUR))
                # Only looked at lately: that is use by its mtime, and none by its records.
                by_record.add(rollout(home, f"seen-{name}", zone, time_, 60, 5 * HOUR))
        home.write()
        for zone in ZONES:
            for clock, idle in (("mtime", home.idle), ("record", home.idle | by_record)):
                home.reset()
                drill.check(f"{zone}, {clock}", clean(home, binary, fake(zone=zone), "--clock", clock), idle)
    return drill.told()


def changes(binary):
    """An hour that is there twice, or not at all, makes nobody idle."""
    drill = Drill("where summer time begins or ends")
    with home_of(0) as home:
        paths = {}
        for age in AGES:
            key = rollout(home, f"{age}-minutes", "UTC", time.time(), 60)
            session = home.chats[CODEX][key[1]]
            [paths[key]] = glob.glob(f"{home.root}/home/.codex/sessions/*/*/*/*{session}*")
        home.write()
        for zone, times in CHANGES.items():
            for change in times:
                for minutes in RUNS_AT:
                    now = datetime.fromisoformat(change).timestamp() + 60 * minutes
                    for (key, path), age in zip(paths.items(), AGES, strict=True):
                        with open(path, "w", encoding="utf-8") as file:
                            json.dump({"timestamp": rfc3339(now - 60 * age)}, file)
                        os.utime(path, (now - 60 * age,) * 2)
                    idle = {key for key, age in zip(paths, AGES, strict=True) if 60 * age > THRESHOLD}
                    for clock in ("mtime", "record"):
                        home.reset()
                        went = clean(home, binary, fake(now - time.time(), zone), "--clock", clock)
                        drill.check(f"{zone}, {change} {minutes:+} min, {clock}", went, idle)
    return drill.told()


def jumps(binary):
    """A clock that is a year or an age off."""
    drill = Drill("clocks that are wrong")
    with home_of(3) as home:
        all_ = {(model, chat) for model in home.chats for chat in home.chats[model]}
        drill.check("a year back", clean(home, binary, fake(-YEAR)), set())
        drill.check("a year ahead", clean(home, binary, fake(YEAR)), all_)
        drill.check("a year ahead, undone when it is right again", undo(home, binary, fake()), set())
        drill.check("right again, after the undo", clean(home, binary, fake()), set())
        drill.check("a threshold after the undo", clean(home, binary, fake(THRESHOLD + 60)), all_)
    with home_of(3) as home:
        drill.check("right", clean(home, binary, fake()), home.idle)
        drill.check("then a year back", clean(home, binary, fake(-YEAR)), home.idle)
        drill.check("undone a year back", undo(home, binary, fake(-YEAR)), set())
    with home_of(3) as home:
        clean(home, binary, fake(YEAR))
        drill.check("undone a year ahead", undo(home, binary, fake(YEAR)), set())
        drill.check("a year ahead, after the undo", clean(home, binary, fake(YEAR + 60)), set())
        # In doubt, keep: that was put back at a time which has not come yet.
        drill.check("right again", clean(home, binary, fake()), set())
        kept = clean(home, binary, fake(YEAR + THRESHOLD + 60))
        drill.check("a year and a threshold ahead, after the undo", kept, all_)
    for text in ODD_TIMES:
        with home_of(1) as home:
            off = datetime.fromisoformat(f"{text}+00:00").timestamp() - time.time()
            all_ = {(model, chat) for model in home.chats for chat in home.chats[model]}
            drill.check(text, clean(home, binary, fake(off)), all_ if off > 0 else set())
            drill.check(f"{text}, undone", undo(home, binary, fake(off)), set())
            for command in ("history", "list", "doctor"):
                code, complaint, _ = home.run(binary, command, before=fake(off))
                # A doctor may find something.
                drill.check(f"{text}, {command}: {complaint}", code in (0, 1, 3), True)
    return drill.told()


def journals(binary):
    """One run whose clock is wrong forgets nothing that went, or was put back, before it."""
    drill, lost = Drill("journals beside clocks that are wrong"), []

    def check(what, is_, is_promised):
        if is_ and not is_promised:
            lost.append(what)
        else:
            drill.check(what, is_, set())

    for off in (-YEAR, -DAY, 80 * DAY, YEAR):
        # Entries are kept for 90 days, and no run knows that it is its own clock that is wrong.
        is_kept = off < KEPT
        for is_idle in (True, False):
            options = () if is_idle else ("--idle", "3000d")
            what = f"{off / DAY:+.0f} days for a run to which {'all' if is_idle else 'nothing'} is idle"
            with home_of(3) as home:
                clean(home, binary, fake())
                first = home.journal("runs.jsonl")[0]["run"]
                clean(home, binary, fake(off), *options)
                if is_idle and off > 0:
                    undo(home, binary, fake())
                    drill.check(f"{what}, undone", home.gone(), home.idle)
                # The newest run that removed anything is kept whatever its age.
                back = undo(home, binary, fake(), first)
                check(f"{what}, and the run before undone", back, is_kept or not is_idle)
            with home_of(3) as home:
                clean(home, binary, fake())
                undo(home, binary, fake())
                clean(home, binary, fake(off), *options)
                # Whether that let anything go is another matter.
                home.reset()
                check(f"{what}, put back before", clean(home, binary, fake()), is_kept)
    wrong = drill.told()
    print(f"forgotten, since a clock was more than 90 days ahead: {len(lost)}: {'; '.join(lost)}")
    return wrong


def meanwhile(binary):
    """A clock that is set, or runs away, while a clean is at work, lets nothing go that is active."""
    drill = Drill("clocks that are set meanwhile")
    with home_of(3) as home:
        for rate in (2, 100, 10_000):
            home.reset()
            drill.check(f"{rate} times as fast", clean(home, binary, fake(f"+0 x{rate}")), home.idle)
        for off in (-YEAR, -DAY, -THRESHOLD, THRESHOLD, DAY, YEAR):
            file = f"{home.root}/clock"
            put(file, "+0")
            # While the map is torn, the run reads it again; it has looked at its clock by then.
            put(home.map, home.old[:-1].decode())
            timers = [
                threading.Timer(0.3, put, [file, f"{off:+}"]),
                threading.Timer(0.6, put, [home.map, home.old.decode()]),
            ]
            for timer in timers:
                timer.start()
            set_meanwhile = fake(FAKETIME_TIMESTAMP_FILE=file, FAKETIME_NO_CACHE="1")
            went = clean(home, binary, set_meanwhile)
            for timer in timers:
                timer.join()
            drill.check(f"set by {off / HOUR:+} hours", went, home.idle)
    return drill.told()


def put(path, text):
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def main():
    binary = os.path.realpath(sys.argv[1])
    try:
        ZoneInfo(ZONES[0])
    except ZoneInfoNotFoundError:
        sys.exit("clocks.py: time zones are missing; Debian's package is tzdata")
    with home_of(1) as home:
        can = is_faked(home, binary)
    if not can:
        print("not run here: this binary does not ask the C library for the time, so no clock can be faked")
        return
    wrong = sum(part(binary) for part in (zones, changes, jumps, journals, meanwhile))
    sys.exit(1 if wrong else 0)


main()
