"""Compares what session-warden reports of the sessions with what it has to report."""

import collections
import json
import os
import signal
import subprocess
import time

from sessions import HALVES

MODELS = {"claude": "claude-cli", "codex": "codex-cli", "gemini": "gemini-cli", "vibe": "devstral-small-2"}
NEVER_MADE = {
    "claude": "5e551040-ffff-4fff-8fff-ffffffffffff",
    "codex": "01a00000-ffff-7fff-8fff-ffffffffffff",
    "gemini": "5e551040-ffff-4fff-8fff-ffffffffffff",
    "vibe": "5e551040-ffff-4fff-8fff-ffffffffffff",
}
CLOCKS = ("mtime", "record")
NO_RECORD = ("no_record_time", True)
# Live sessions are not aged: they wait for longer than IDLE.
IDLE, WAIT = 8, 12


class Alive:
    """The live sessions, and the state that is expected of each."""

    def __init__(self):
        self.rows, self.processes = [], []

    def add(self, cli, id_, made, expected, process=None):
        self.rows.append(Row(cli, id_, made, expected))
        if process:
            self.processes.append(process)

    def end(self):
        """Ends what was started here; the namespace ends their daemons."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)


Row = collections.namedtuple("Row", "cli id made expected")


class Check:
    """Runs session-warden on what was made; `wrong` has a line for each answer that is not as expected."""

    def __init__(self, lab, made, binary):
        self.lab, self.made, self.binary = lab, made, binary
        self.wrong, self.right = [], 0
        self.bridge, self.map = f"{lab.root}/bridge", f"{lab.root}/bridge/session_map.json"
        os.makedirs(self.bridge)

    def dead(self):
        """Checks the sessions that have ended, with none, each half and both halves of them aged."""
        for aged in ((), HALVES[:1], HALVES[1:], HALVES):
            self.made.age(aged)
            when = f"aged: {' and '.join(aged) or 'none'}"
            rows = self.dead_rows(aged)
            self.verdicts(when, rows)
            self.unmapped(when)

        self.made.age(HALVES[:1])
        self.real_clean("aged: first", self.dead_rows(HALVES[:1]))

    def dead_rows(self, aged):
        # A bridge maps no agent, and a mapped one would count for itself only.
        sessions = [it for it in self.made.sessions if not it.is_agent]
        rows = [Row(it.cli, it.id, it.made, it.expected(aged)) for it in sessions]
        rows += [Row(cli, id_, "deleted", "missing") for cli, id_ in self.made.gone]
        clis = dict.fromkeys(it.cli for it in sessions)
        return rows + [Row(cli, NEVER_MADE[cli], "never made", "missing") for cli in clis]

    def live(self, alive):
        """Checks the live sessions, beside all others, once nothing was written for a while."""
        self.made.age(HALVES)
        time.sleep(WAIT)
        rows = alive.rows + self.dead_rows(HALVES)
        idle = ["--idle", f"{IDLE}s"]
        self.verdicts("live", rows, *idle)
        self.real_clean("live", rows, *idle)

    def verdicts(self, when, rows, *options):
        """Checks the state of each session in a dry run and in `list`, by both clocks."""
        self.write_map(rows)
        for clock in CLOCKS:
            for command in (["clean", "-n"], ["list"]):
                answer = self.json(when, *command, "--clock", clock, *options)
                found = collections.defaultdict(list)
                for row in answer["sessions"]:
                    found[row["model"], row["session_id"]].append(row["state"])
                for row in rows:
                    states = found.pop((MODELS[row.cli], row.id), [])
                    self.compare(f"{when}, {' '.join(command)} --clock {clock}", row, row.expected, *states)
                for (model, id_), states in found.items():
                    self.fail(f"{when}, {command[0]}", Row(model, id_, "not mapped", "no row"), *states)

    def unmapped(self, when):
        """Checks `list --unmapped` where each second session is mapped."""
        sessions = self.made.sessions
        mapped = [it for it in sessions[::2] if not it.is_agent]
        others = [it for it in sessions if it not in mapped]
        self.write_map([Row(it.cli, it.id, it.made, "") for it in mapped])
        answer = self.json(when, "list", "--unmapped")

        found = collections.Counter((row["model"], row["session_id"]) for row in answer["sessions"])
        for session in others:
            times = found.pop((MODELS[session.cli], session.id), 0)
            if times != 0 or not session.is_agent:
                self.compare(f"{when}, list --unmapped", as_row(session, "one row"), "one row", rows_of(times))
        for (model, id_), times in found.items():
            made = next((it.made for it in sessions if it.id == id_), "no session")
            self.fail(f"{when}, list --unmapped", Row(model, id_, made, "no row"), rows_of(times))

    def real_clean(self, when, rows, *options):
        """Removes for real, and checks what is left of the map and that no session was touched."""
        self.write_map(rows)
        before = self.files()
        self.json(when, "clean", *options)

        with open(self.map, encoding="utf-8") as file:
            left = {(model, id_) for model, chats in json.load(file).items() for id_ in chats.values()}
        for row in rows:
            is_idle = row.expected in ("idle", "missing", "archived")
            found = "kept" if (MODELS[row.cli], row.id) in left else "removed"
            self.compare(f"{when}, clean", row, "removed" if is_idle else "kept", found)
        for path in before:
            if before[path] != self.files().get(path):
                self.fail(f"{when}, clean", Row("-", path, "a session's file", "untouched"), "changed")

    def files(self):
        """Returns size and time of each file of the sessions that have ended."""
        paths = [path for path in self.made.paths() if any(True for _ in self.made.parts_of(path))]
        stats = {path: os.lstat(path) for path in paths}
        return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}

    def write_map(self, rows):
        """Maps a chat to each session, named after how it was made."""
        chats = collections.defaultdict(dict)
        for number, row in enumerate(rows):
            chats[MODELS[row.cli]][f"{number}-{row.made.replace(' ', '-')}"] = row.id
        with open(self.map, "w", encoding="utf-8") as file:
            json.dump(chats, file)

    def json(self, when, *arguments):
        """Returns what session-warden prints; a warning, or another exit code than 0, is wrong."""
        state = ["--session-dir", self.bridge, "--state-dir", f"{self.lab.root}/state", "--bridge", "off"]
        command = [self.binary, *arguments, *state, "--format", "json"]
        env = {"HOME": self.lab.home, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = {"sessions": [], "warnings": [{"code": "no_json", "message": done.stderr.strip()}]}

        # vibe's records are not read: the report warns that mtime counts.
        warnings = [it for it in answer["warnings"] if (it["code"], "/.vibe/" in (it.get("path") or "")) != NO_RECORD]
        if done.returncode != 0 or warnings:
            words = "; ".join(f"{it['message']}: {it.get('path')}" for it in warnings[:1])
            row = Row("-", "-", " ".join(arguments), "exit 0 and no warning")
            self.fail(when, row, f"exit {done.returncode} and {len(warnings)} warnings: {words}")
        return answer

    def compare(self, when, row, expected, *found):
        if len(found) == 1 and found[0] in expected.split(" or "):
            self.right += 1
        else:
            self.fail(when, row._replace(expected=expected), *found)

    def fail(self, when, row, *found):
        found = ", ".join(found) or "no row"
        self.wrong.append(f"{row.cli} {row.id} ({row.made}), {when}: expected {row.expected}, found {found}")


def as_row(session, expected):
    return Row(session.cli, session.id, session.made, expected)


def rows_of(times):
    return {0: "no row", 1: "one row"}.get(times, f"{times} rows")
