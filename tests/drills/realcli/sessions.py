"""What was made: sessions, the files of each, and how to make them older.

A session has parts, each in one half: `first` or `second`. Halves are aged one after the other, so that every part
is fresh while another one of the same session, of its parent or of its fork is old.
"""

import dataclasses
import datetime
import os
import re

# A home's evidence, below the home; and what Claude Code keeps in /tmp.
ROOTS = [".claude", ".codex", ".gemini", ".vibe"]
TIME = re.compile(rb"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?=(\.\d+)?(Z|[+-]\d\d:?\d\d)?\b)")
HALVES = ("first", "second")


@dataclasses.dataclass
class Part:
    """Files of a session, by a pattern on their path."""

    pattern: str
    half: str


@dataclasses.dataclass
class Session:
    """A session that a CLI made."""

    cli: str
    id: str
    made: str
    parts: list
    is_archived: bool = False
    # Sessions of its own that count for this one: a Codex subagent for its parent.
    agents: list = dataclasses.field(default_factory=list)
    # An agent may be listed as a session, or not.
    is_agent: bool = False

    def expected(self, aged):
        """Returns its state with these halves aged."""
        if self.is_archived:
            return "archived"

        parts = [*self.parts, *(part for agent in self.agents for part in agent.parts)]
        return "idle" if all(part.half in aged for part in parts) else "active"


class Made:
    """All sessions that were made in a home, and the halves that are aged by now."""

    def __init__(self, home):
        self.home, self.sessions, self.aged = home, [], set()
        # Sessions that their CLI has deleted: pairs of CLI and id.
        self.gone = []

    def add(self, cli, id_, made, *patterns, rest=None, **more):
        """Adds a session with a part for each pattern, and one for the rest of what carries its id.

        The halves alternate, also from one session to the next: a fork is in another half than its origin.
        """
        turn = len([it for it in self.sessions if it.cli == cli])
        patterns = [*patterns, rest or re.escape(id_)]
        parts = [Part(pattern, HALVES[(turn + place) % 2]) for place, pattern in enumerate(reversed(patterns))]
        session = Session(cli, id_, made, [*reversed(parts)], **more)
        self.sessions.append(session)
        return session

    def paths(self):
        """Returns every file and folder below the roots, the deepest first."""
        roots = [*(f"{self.home}/{root}" for root in ROOTS), f"/tmp/claude-{os.getuid()}"]
        found = []
        for root in roots:
            for folder, folders, files in os.walk(root, topdown=False):
                found += [f"{folder}/{name}" for name in files + folders]

        return found

    def age(self, halves):
        """Makes these halves five hours old, and all others as new as they were."""
        for half in HALVES:
            if (half in halves) != (half in self.aged):
                self.shift(half, -5 if half in halves else 5)
        self.aged = set(halves)

    def shift(self, half, hours):
        """Moves a half's times: the times in its records, and its files' and folders'."""
        moved = []
        for path in self.paths():
            if any(part.half == half for part in self.parts_of(path)):
                moved.append((path, os.lstat(path)))
                if os.path.isfile(path) and not os.path.islink(path) and path.endswith((".json", ".jsonl")):
                    shift_text(path, hours)

        for path, old in moved:
            at = old.st_mtime_ns + int(hours * 3600e9)
            os.utime(path, ns=(at, at), follow_symlinks=False)

    def parts_of(self, path):
        """Yields the part of each session that a path belongs to."""
        for session in self.sessions:
            for part in session.parts:
                if re.search(part.pattern, path, re.IGNORECASE):
                    yield part
                    break


def shift_text(path, hours):
    """Moves each RFC 3339 time in a file, whose form and length stay."""

    def moved(match):
        old = datetime.datetime.strptime(match[0].decode(), "%Y-%m-%dT%H:%M:%S")
        return (old + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S").encode()

    with open(path, "rb+") as file:
        old = file.read()
        new = TIME.sub(moved, old)
        file.seek(0)
        file.write(new)
