#!/usr/bin/env python3
"""Releases idle CLI processes whose status changes at random moments, and counts which were signalled (P3).

usage: released.py BINARY [ROUNDS], 10000 if not said

Each round is a stand-in for Claude Code (`resident.c`). Four of ten get a message at a random moment while a
`clean --release` runs: their record becomes busy, and a little later idle again. None of these may be signalled, unless
the change came less than a millisecond before the signal; those are counted. Of the others, at least 95 % must be
ended. No mapping may go.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

AT_ONCE = 100
CHANGING = 4
WINDOW_NS = 1_000_000
MODEL = "claude-cli"
CONFIG = "[[profile]]\nname = 'p'\nmap_format = 'claude-remote'\n"


class Batch:
    """So many stand-ins, and a run that may end them."""

    def __init__(self, root, binary, number, count, window, changing):
        self.root, self.binary = f"{root}/{number}", binary
        self.window, self.changing = window, changing
        own = os.urandom(6).hex()
        self.sessions = [f"{index:08x}-0000-4000-8000-{own}" for index in range(count)]
        self.home, self.state = f"{self.root}/home", f"{root}/state"

    def prepare(self, map_path):
        """Writes idle sessions, and the map of them."""
        projects = f"{self.home}/.claude/projects/-w"
        os.makedirs(projects)
        os.makedirs(f"{self.home}/.claude/sessions")
        written = time.time() - 5 * 3600
        for session in self.sessions:
            path = f"{projects}/{session}.jsonl"
            with open(path, "w", encoding="utf-8") as file:
                file.write(json.dumps({"type": "user", "sessionId": session}) + "\n")
            os.utime(path, (written, written))
        with open(f"{self.root}/config.toml", "w", encoding="utf-8") as file:
            file.write(CONFIG)
        with open(map_path, "w", encoding="utf-8") as file:
            json.dump({MODEL: {f"chat-{index}": id_ for index, id_ in enumerate(self.sessions)}}, file)

    def start(self, program):
        """Starts the stand-ins, and returns their parent once all have a record."""
        words = [program, self.home, f"{self.root}/results", str(random.randrange(2**31)), str(self.window)]
        parent = subprocess.Popen(
            [*words, str(self.changing)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"HOME": self.home}
        )
        parent.stdin.write("".join(f"{session}\n" for session in self.sessions).encode() + b"\n")
        parent.stdin.flush()
        ready = 0
        while ready < len(self.sessions):
            ready += len(os.read(parent.stdout.fileno(), 4096))
        return parent

    def clean(self, map_path):
        """Runs the release, and returns its report."""
        environment = {"HOME": self.home, "PATH": "/usr/bin:/bin", "CLAUDE_BRIDGE_PORT": "1"}
        words = ["clean", "--release", "--profile", "p", "--map", map_path, "--state-dir", self.state]
        words += ["--config", f"{self.root}/config.toml", "--format", "json"]
        ran = subprocess.run([self.binary, *words], env=environment, capture_output=True, check=False, timeout=300)
        if ran.returncode != 0:
            sys.exit(f"released.py: a clean exited with {ran.returncode}: {ran.stderr.decode()}")
        return json.loads(ran.stdout)

    def results(self):
        """Returns the status, the age of the last change in ns and the number of changes of each that was signalled."""
        try:
            with open(f"{self.root}/results", encoding="utf-8") as file:
                lines = [line.split() for line in file]
        except FileNotFoundError:
            lines = []
        return {session: (status, int(ago), int(changes)) for session, status, ago, changes in lines}


class Counts:
    """What became of all rounds."""

    def __init__(self):
        self.rounds = self.signalled = self.stayed = self.ended = self.late = 0
        self.wrong = []

    def add(self, batch, report, results, changed):
        """Adds one batch. `changed` are the sessions whose status has changed, signalled or not."""
        self.rounds += len(batch.sessions)
        self.signalled += len(results)
        for session in batch.sessions:
            status, ago, changes = results.get(session, ("alive", -1, 0))
            if changes:
                if ago > WINDOW_NS:
                    self.wrong.append(f"{session} was signalled {ago / 1e6:.3f} ms after it became {status}")
                else:
                    self.late += 1
            elif session not in changed:
                self.stayed += 1
                self.ended += status != "alive"
        rows = {row["session_id"]: row for row in report["sessions"]}
        for session in batch.sessions:
            said = rows[session]["action"] == "released"
            if said != (session in results):
                self.wrong.append(f"{session}: {rows[session]['action']}, {rows[session]['reason']}, but {results.get(session)}")


def changed_of(batch, results):
    """Returns the sessions whose record has a newer status than at the start."""
    changed = {session for session, (_, _, changes) in results.items() if changes}
    folder = f"{batch.home}/.claude/sessions"
    recent = (time.time() - 3600) * 1000
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", encoding="utf-8") as file:
            record = json.load(file)
        if record["status"] != "idle" or record["statusUpdatedAt"] > recent:
            changed.add(record["sessionId"])
    return changed


def run(binary, rounds):
    """Runs all rounds, and returns their counts."""
    counts, window, took = Counts(), 0.0, []
    with tempfile.TemporaryDirectory(prefix="released-") as root:
        program, map_path = f"{root}/claude", f"{root}/session_map.json"
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "resident.c")
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        # The first release of a map ends one process only.
        sizes = [1, *(min(AT_ONCE, rounds - begun) for begun in range(0, rounds, AT_ONCE))]
        for number, size in enumerate(sizes):
            batch = Batch(root, binary, number, size, window, CHANGING if number else 0)
            batch.prepare(map_path)
            parent = batch.start(program)
            began = time.monotonic()
            report = batch.clean(map_path)
            took.append(time.monotonic() - began)
            # Late enough for many changes to come while processes are signalled.
            window = max(took[-1] * 1.1, 5.0)
            results = batch.results()
            changed = changed_of(batch, results)
            parent.stdin.close()
            parent.wait()
            with open(map_path, encoding="utf-8") as file:
                if len(json.load(file)[MODEL]) != size:
                    counts.wrong.append(f"batch {number} lost a mapping")
            if number:
                counts.add(batch, report, results, changed)
            elif len(results) != 1:
                sys.exit(f"released.py: the first process was not ended: {report['sessions'][0]}")
    return counts, max(took)


def main():
    """Runs the drill."""
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__.split("\n\n")[1])
    with open("/etc/machine-id", encoding="utf-8") as file:
        if not file.read().strip():
            sys.exit("released.py: without /etc/machine-id nothing is released; systemd-machine-id-setup makes one")
    counts, longest = run(os.path.realpath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 10000)

    share = counts.ended / max(counts.stayed, 1)
    print(
        f"{counts.rounds} rounds: {counts.signalled} signalled, {counts.late} of them less than 1 ms after a change; "
        f"{counts.ended} of {counts.stayed} that stayed idle ended ({share:.1%}); longest run {longest:.1f} s"
    )
    for line in counts.wrong[:20]:
        print(f"WRONG  {line}")
    if share < 0.95:
        print(f"WRONG  {share:.1%} of those that stayed idle were ended; at least 95 % must be")
    sys.exit(1 if counts.wrong or share < 0.95 else 0)


if __name__ == "__main__":
    main()
