"""Rounds of start, idle, release and resume: no transcript is harmed, and no process is ended in a turn."""

import collections
import concurrent.futures
import random
import re
import threading
import time

from lab import Failed, wait_until
from residents import Resident, check_transcript, history, text_of, transcript, wait_ended

LANES = 4
AFTER = "2s"
WAIT = 2.5
OPTIONS = ["--release", "--release-after", AFTER]
# What makes a signal visible: its time and its process.
TRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-ttt", "--decode-fds=pidfd", "-e", "trace=pidfd_send_signal", "-o"]
SENT = re.compile(r"(\d+\.\d+) pidfd_send_signal\(\d+<pid:(\d+)>, SIGTERM")
# How long before a signal the last look at the record may be: longer than promised, for what happens in between.
LOOK = 0.05


class Lane:
    """A session that goes through all rounds, the prompts it was sent, and those that a release left unanswered."""

    def __init__(self, lab):
        self.lab, self.prompts, self.unanswered, self.process, self.id = lab, [], [], None, None
        self.folder, self.resumes = lab.folder(), []

    def turn(self, text):
        """Has a turn, in a new process where the last one has ended."""
        if self.process and self.process.is_alive():
            before = self.process.answers()
            self.process.say(text)
            wait_until(f"an answer to {text}", lambda: self.process.answers() > before)
        else:
            self.start(text)
        self.prompts.append(text)
        self.process.become("idle")

    def start(self, text):
        began = time.monotonic()
        resume = ["--resume", self.id] if self.id else []
        self.process = Resident(self.lab, *resume, first=text, cwd=self.folder)
        if self.id not in (None, self.process.id):
            raise Failed(f"{self.id} became {self.process.id}")
        self.id = self.process.id
        wait_until(f"an answer to {text}", self.process.answers)
        if resume:
            self.resumes.append(time.monotonic() - began)
        earlier = history(self.lab, text)
        if earlier != self.prompts:
            raise Failed(f"{self.id}, {text}: the model got {earlier[-3:]}, not {self.prompts[-3:]}")


class Message(threading.Thread):
    """A message that is sent to a process after some seconds, whatever happens to that process meanwhile.

    `sent` is when, and `busy` is when the record of the process showed it.
    """

    def __init__(self, process, text, after):
        super().__init__(daemon=True)
        self.process, self.text, self.after, self.sent, self.busy = process, text, after, None, None
        self.before = process.answers()

    def run(self):
        time.sleep(self.after)
        try:
            now = time.time()
            self.process.say(self.text)
            self.sent = now
        except BrokenPipeError:
            return

        record = f"{self.process.lab.home}/.claude/sessions/{self.process.pid}.json"
        while self.process.ended_at is None and not self.busy:
            if '"status":"idle"' not in content(record):
                self.busy = time.time()
            time.sleep(0.001)

    def is_answered(self):
        return self.process.answers() > self.before


def content(path):
    """Returns what a file has; one that is gone shows nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().replace(" ", "")
    except FileNotFoundError:
        return ""


class Rounds:
    """The rounds, and what happened in them."""

    def __init__(self, check):
        self.check, self.lab, self.tool = check, check.lab, check.tool
        self.lanes = [Lane(self.lab) for _ in range(LANES)]
        self.counts, self.ends, self.gaps, self.signal_after = collections.Counter(), [], [], 5.0
        # How long after a message the record of its process shows it.
        self.delays, self.done = [], 0

    def round(self, number):
        """One round: each lane has a turn and goes idle; one gets a message about when its process is ended."""
        texts = [f"turn {number} of {place}" for place in range(LANES)]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # The result raises what a turn has raised.
            list(pool.map(Lane.turn, self.lanes, texts))
        self.tool.write_map({f"lane-{place}": lane.id for place, lane in enumerate(self.lanes)})
        time.sleep(WAIT)

        talker = self.lanes[number % LANES]
        aimed = max(0, self.signal_after + random.uniform(-0.15, 0.1))
        after = aimed if number % 3 else random.uniform(0, self.signal_after + 1)
        message = Message(talker.process, f"message {number}", after)
        signals, reasons = self.release(number, message)
        message.join()
        for lane in self.lanes:
            if lane.process.pid not in signals:
                self.counts[f"kept: {reasons[lane.id]}"] += 1
            self.judge(number, lane, signals.get(lane.process.pid), message if lane is talker else None)

    def release(self, number, message):
        """Runs a release while the message is sent; returns the signals by process, and the reasons by session."""
        trace, began = f"{self.lab.root}/trace.txt", time.time()
        message.start()
        code, report = self.tool.json("clean", *OPTIONS, before=[*TRACE, trace])
        self.check.expect(f"round {number}: exit code, {report['warnings']}", 0, code)
        with open(trace, encoding="utf-8") as file:
            signals = {int(pid): float(at) for at, pid in SENT.findall(file.read())}
        if signals:
            self.signal_after = min(signals.values()) - began
        return signals, {row["session_id"]: row["reason"] for row in report["sessions"]}

    def judge(self, number, lane, signal, message):
        """Counts what happened to a lane, and checks it."""
        sent = message and message.sent
        if signal:
            wait_ended([lane.process.pid], 90)
            lane.process.child.wait()
            self.ends.append(lane.process.ended_at - signal)
            self.counts["released"] += 1

        if message and not sent:
            self.counts["message not sent"] += 1
        elif message and signal:
            self.lost(number, lane, message, signal)
        elif message:
            wait_until(f"an answer to {message.text}", message.is_answered, 30)
            lane.prompts.append(message.text)
            lane.process.become("idle")
            self.counts["message answered"] += 1
        if sent and message.busy:
            self.delays.append(message.busy - sent)
        check_transcript(self.lab, lane.id, lane.prompts, lane.unanswered)

    def lost(self, number, lane, message, signal):
        """A message that its process did not answer: the record may not have shown it when the release last looked."""
        self.gaps.append(signal - message.sent)
        shown = signal - (message.busy or signal)
        self.check.expect(f"round {number}: busy for {shown * 1000:.0f} ms at its signal", True, shown < LOOK)
        if is_answered(self.lab, lane.id, message.text):
            self.counts["message answered before the end"] += 1
            lane.prompts.append(message.text)
            return

        self.counts["message unanswered"] += 1
        if message.text in str(transcript(self.lab, lane.id)):
            lane.prompts.append(message.text)
            lane.unanswered.append(message.text)


def is_answered(lab, id_, text):
    """Returns true if the transcript has an answer behind that prompt."""
    turns = [it for it in transcript(lab, id_) if it.get("type") in ("user", "assistant") and not it.get("isMeta")]
    places = [place for place, it in enumerate(turns) if it["type"] == "user" and text_of(it) == text]
    return bool(places) and any(it["type"] == "assistant" for it in turns[places[-1] :])


def run(check, number):
    """Runs so many rounds."""
    rounds = Rounds(check)
    try:
        for _ in range(number):
            rounds.round(rounds.done)
            rounds.done += 1
    finally:
        report(rounds)
    check.expect("rounds: released", lambda found: found > number, rounds.counts["released"])


def report(rounds):
    """Prints what happened, also if a round has failed."""
    print(f"{rounds.done} rounds: {', '.join(f'{count} {what}' for what, count in rounds.counts.most_common())}")
    resumes = [seconds for lane in rounds.lanes for seconds in lane.resumes]
    times = {
        "signal to exit": rounds.ends,
        "a resume with a turn": resumes,
        "message to signal": rounds.gaps,
        "message to its record": rounds.delays,
    }
    for what, values in times.items():
        values = sorted(values) or [0]
        print(f"  {what}: median {values[len(values) // 2]:.3f} s, longest {values[-1]:.3f} s")
