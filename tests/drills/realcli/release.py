"""What a release has to do, on processes of the real Claude Code."""

import json
import re
import time

import kept
from residents import MCP, Resident, check_transcript, history, hook, is_alive, resume, wait_ended
from warden import Warden

# How long a process is idle before it may be ended, and a session before its mapping is removed.
AFTER = "15s"
WAIT = 17
OPTIONS = ["--idle", AFTER, "--release", "--release-after", AFTER]
# The same for sessions that count as active.
ACTIVE = ["--idle", "2h", "--release", "--release-after", AFTER]
SIGNALS = ["strace", "-f", "-qq", "-e", "trace=pidfd_send_signal,pidfd_open,kill,tgkill", "-o"]
# Signal 0 is none: it asks whether the process is there.
SIGNAL = re.compile(r"\b(pidfd_send_signal|pidfd_open|kill|tgkill)\((?!\d+, 0\)).*")
HOOK_SECONDS = 45


class Release:
    """Releases processes; `wrong` has a line for each answer that is not as expected."""

    def __init__(self, lab, tool):
        self.lab, self.tool = lab, tool
        self.wrong, self.right, self.times = [], 0, {}

    def expect(self, what, expected, found):
        """Compares an answer with what was expected; a function says itself whether it is right."""
        if expected(found) if callable(expected) else expected == found:
            self.right += 1
        else:
            self.wrong.append(f"{what}: expected {expected.__doc__ if callable(expected) else expected}, found {found}")

    def clean(self, what, *options, code=0, before=()):
        """Runs `clean`; returns the summary and the rows by session."""
        found, report = self.tool.json("clean", *options, before=before)
        self.expect(f"{what}: exit code, {report['warnings']}", code, found)
        return report["summary"], {row["session_id"]: row for row in report["sessions"]}

    def signals(self, what, *options, **more):
        """The same, and returns the calls that it made to signal a process."""
        trace = f"{self.lab.root}/trace.txt"
        answer = self.clean(what, *options, before=[*SIGNALS, trace], **more)
        with open(trace, encoding="utf-8") as file:
            return [found[0] for line in file if (found := SIGNAL.search(line))], *answer

    def three(self):
        """Three idle processes: shown, ended in two runs, their mappings removed by a later one, and resumed."""
        old = Resident(self.lab).wait_idle()
        old.kill()
        self.lab.write("mcp.py", MCP)
        server = {"command": "/usr/bin/env", "args": ["python3", f"{self.lab.home}/mcp.py"]}
        all_ = [
            Resident(self.lab).wait_idle(),
            Resident(self.lab, "--mcp-config", json.dumps({"mcpServers": {"drill": server}})).wait_idle(),
            Resident(self.lab, "--resume", old.id, first="again", cwd=old.folder).wait_idle(),
        ]
        self.expect("resumed: session", old.id, all_[2].id)
        chats = {f"chat-{number}": it.id for number, it in enumerate(all_)}
        self.tool.write_map(chats)
        time.sleep(WAIT)

        self.nothing_by_default(all_)
        self.dry_run(all_)
        self.unknown_bridge(all_)
        self.two_runs(all_, chats)
        self.mappings(chats)
        self.resumes(all_)

    def nothing_by_default(self, all_):
        calls, _, rows = self.signals("no flag", "--idle", AFTER)
        self.expect("no flag: signals", [], calls)
        self.expect("no flag: states", ["resident"] * 3, [rows[it.id]["state"] for it in all_])
        self.expect("no flag: alive", [True] * 3, [it.is_alive() for it in all_])

    def dry_run(self, all_):
        calls, summary, rows = self.signals("dry run", "-n", *OPTIONS)
        self.expect("dry run: signals", [], [it for it in calls if not it.startswith("pidfd_open")])
        self.expect("dry run: resident", 3, summary.get("resident"))
        self.expect("dry run: resident_bytes", is_memory, summary.get("resident_bytes"))
        self.expect("dry run: would_release", 1, summary.get("would_release"))
        self.expect("dry run: pids", [it.pid for it in all_], [pid_of(rows[it.id]) for it in all_])
        self.expect("dry run: alive", [True] * 3, [it.is_alive() for it in all_])

    def unknown_bridge(self, all_):
        """The same map, in a format whose bridge was never tried."""
        known, self.tool = self.tool, Warden(self.lab, self.tool.binary, more="", name="unknown")
        calls, _, rows = self.signals("unknown bridge", *OPTIONS)
        self.tool = known
        self.expect("unknown bridge: signals", [], [it for it in calls if not it.startswith("pidfd_open")])
        for it in all_:
            self.expect("unknown bridge: reason", one_of(["this bridge would break"]), rows[it.id]["reason"])

    def too_many(self, all_):
        self.clean("too many", *OPTIONS, "--max-release", "1", code=1)
        self.expect("too many: alive", 2, sum(it.is_alive() for it in all_))

    def two_runs(self, all_, chats):
        for run, expected in (("first run", 1), ("second run", 2)):
            alive = [it for it in all_ if it.is_alive()]
            if run == "second run":
                self.too_many(alive)
            began = time.monotonic()
            summary, rows = self.clean(run, *OPTIONS)
            self.times[run] = time.monotonic() - began
            ended = [it for it in alive if not it.is_alive()]
            self.expect(f"{run}: ended", expected, len(ended))
            self.expect(f"{run}: exit codes", [143] * expected, [it.child.wait() for it in ended])
            self.expect(f"{run}: released", expected, summary.get("released"))
            self.expect(f"{run}: actions", ["released"] * expected, [rows[it.id]["action"] for it in ended])
            self.expect(f"{run}: mappings", chats, self.tool.chats())

    def mappings(self, chats):
        """A released mapping is removed one threshold later, and not before."""
        self.clean("at once", *OPTIONS)
        self.expect("at once: mappings", chats, self.tool.chats())
        time.sleep(WAIT)
        summary, _ = self.clean("one threshold later", *OPTIONS)
        self.expect("one threshold later: removed", len(chats), summary.get("removed"))
        self.expect("one threshold later: mappings", {}, self.tool.chats())

    def resumes(self, all_):
        for number, it in enumerate(all_):
            before = ["new", "again"] if number == 2 else ["new"]
            text = f"later {number}"
            id_, seconds = resume(self.lab, it.id, text, it.folder)
            self.times[f"resume {number}"] = seconds
            self.expect(f"{text}: session", it.id, id_)
            self.expect(f"{text}: history", before, history(self.lab, text))
            check_transcript(self.lab, it.id, [*before, text])

    def keeps(self):
        """One idle process is ended, and each of those that may not be is kept, with its reason."""
        try:
            cases = kept.cases(self.lab, self.tool)
            self.are_kept(cases)
            self.by_name(cases)
        finally:
            kept.thaw(self.lab)

    def are_kept(self, cases):
        control = Resident(self.lab).wait_idle()
        chats = {it.name.replace(" ", "-"): it.id for it in cases if it.name != "unmapped"}
        self.tool.write_map({**chats, "control": control.id})
        self.tool.run("pin", "pinned")
        time.sleep(WAIT)

        runs = {"idle, dry run": ["-n", *OPTIONS], "active, dry run": ["-n", *ACTIVE], "run": OPTIONS}
        for run, options in runs.items():
            _, rows = self.clean(f"keeps, {run}", *options)
            for it in cases:
                self.is_kept(f"{it.name}, {run}", it, rows.get(it.id))
        self.expect("control: ended", False, control.is_alive())

    def is_kept(self, what, case, row):
        """Checks that a process is alive, and its row; one without reasons has no row, or none with a process."""
        self.expect(f"{what}: alive", True, is_alive(case.pid))
        if case.reasons:
            self.expect(f"{what}: action", "kept", row and row["action"])
            self.expect(f"{what}: reason, {row}", one_of(case.reasons), row and row["reason"])
        else:
            self.expect(f"{what}: process", None, row and row["process"])

    def by_name(self, cases):
        """Those are kept also if they are named, but for the one whose only reason is that no map has it."""
        for it in cases:
            code, _, err = self.tool.run("release", it.id, "--yes", "--release-after", AFTER)
            is_named = it.name == "unmapped"
            self.expect(f"{it.name}, by name: exit code, {err}", 0 if is_named else 1, code)
            self.expect(f"{it.name}, by name: alive", not is_named, is_alive(it.pid))

    def slow_end(self):
        """One whose hook takes long at its end is reported as ending, and not signalled again."""
        seen = f"{self.lab.home}/hook.txt"
        command = f"echo began >>{seen}; sleep {HOOK_SECONDS}; echo ended >>{seen}"
        slow = Resident(self.lab, *hook("SessionEnd", command, timeout=60)).wait_idle()
        self.tool.write_map({"slow": slow.id})
        time.sleep(WAIT)

        began = time.monotonic()
        calls, _, rows = self.signals("slow end", *OPTIONS, code=3)
        self.expect("slow end: signals", 1, sum(it.startswith("pidfd_send_signal") for it in calls))
        self.expect(f"slow end: reason, {rows[slow.id]}", one_of(["ending"]), rows[slow.id]["reason"])
        self.expect("slow end: alive", True, slow.is_alive())

        found, _ = self.tool.json("clean", *OPTIONS, before=[*SIGNALS, f"{self.lab.root}/trace.txt"])
        with open(f"{self.lab.root}/trace.txt", encoding="utf-8") as file:
            self.expect("slow end, next run: signals", False, "pidfd_send_signal" in file.read())
        self.expect("slow end, next run: exit code", one_of(["0", "3"]), str(found))
        self.expect("slow end, next run: mapping", {"slow": slow.id}, self.tool.chats())

        wait_ended([slow.pid], 90)
        self.times["end with a hook of 45 s"] = time.monotonic() - began
        with open(seen, encoding="utf-8") as file:
            self.expect("slow end: hook", "began\nended\n", file.read())


def pid_of(row):
    return (row.get("process") or {}).get("pid")


def is_memory(found):
    """more than 300 MB"""
    return isinstance(found, int) and found > 300_000_000


def one_of(words):
    """Returns a check that a text has one of these words."""

    def check(found):
        return any(word in (found or "") for word in words)

    check.__doc__ = " or ".join(words)
    return check
