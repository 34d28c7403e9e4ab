"""Hostile bridges: each is a proper one, but for its answers of one kind."""

import contextlib
import gzip
import itertools
import json
import os
import shutil
import subprocess
import threading
from functools import partial

from arena import IS_ROOT, OTHER, Attack, NotTried
from stand_in import Bridge, Request

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# What answers, as bytes that are sent before the connection is closed.
BYTES = {
    "nothing": b"", "garbage": os.urandom(4096), "half a head": OK, "half a status": b"HTTP/1.", "NULs": b"\0" * 65536,
    "a short body": OK + b"Content-Length: 4096\r\n\r\n{", "a huge length": OK + b"Content-Length: 99999999999999\r\n\r\n{}",
    "a length out of range": OK + b"Content-Length: 18446744073709551616\r\n\r\n{}", "a negative length": OK + b"Content-Length: -1\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", "no length": OK + b"\r\n{",
    "bad chunks": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a huge chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{}",
    "chunks without an end": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "200,000 headers": OK + b"X: y\r\n" * 200_000,
    "a header of 8 MiB": OK + b"X: " + b"y" * (8 << 20), "escapes": b"HTTP/1.1 500 \x1b[2J\xc2\x9b31m\r\n\r\n\x1b[2J",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n", "HTTP 0.9": b"<html>", "HTTP 2": b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d",
    "a gzip bomb": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * (64 << 20), 1),
    "deep nesting": OK + b"\r\n" + b"[" * 1_000_000, "a redirect to a file": b"HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\n\r\n",
}  # fmt: skip
STATUSES = [100, 201, 204, 206, 301, 302, 307, 308, 400, 401, 403, 407, 418, 429, 500, 502, 503, 999]
# Bodies of whole answers with the status 200.
BODIES = {
    "null": None, "a list": [], "a text": "\x1b[2J", "a number": 10**400, "an empty map": {}, "a list of sessions": {"sessions": []},
    "no sessions": {"sessions": {}}, "a map of numbers": {"sessions": {"claude-cli": {"x": 7}}}, "another map":
    {"sessions": {"claude-cli": {"x": "y"}}}, "a page": "<html>", "poison": {"detail": "\u202e\x1b[2J", "message": "\x9b31m"},
    "a lie": {"status": "deleted", "message": "Claude CLI Bridge API", "sessions": {}},
}  # fmt: skip
# What never ends, sent again and again after this many seconds.
ENDLESS = {
    "silence": (b"", b"", 1), "a byte a second": (OK[:8], b"a", 1), "endless headers": (OK, b"X: y\r\n" * 1000, 0),
    "an endless body": (OK + b"\r\n", b" " * 65536, 0), "a body of a byte a second": (OK + b"Content-Length: 99\r\n\r\n", b" ", 1),
    "endless continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0),
    "endless chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000, 0),
}  # fmt: skip
STAGES = ["GET /", "GET /sessions", "DELETE"]


class HostileRequest(Request):
    """Answers as the bridge does, but for the stage that is under attack."""

    def answer(self, status, value):
        server = self.server
        stage = self.command if self.command == "DELETE" else f"{self.command} {self.path}"
        if stage != server.stage:
            super().answer(status, value)
            return
        server.attacked = True
        start, again, pause = server.hostile
        self.wfile.write(start)
        while again is not None and not server.is_over.wait(pause):
            self.wfile.write(again)

    def handle(self):
        with contextlib.suppress(OSError):
            super().handle()


class HostileBridge(Bridge):
    daemon_threads, block_on_close = True, False

    def __init__(self, folder, stage, hostile):
        super().__init__(folder)
        self.RequestHandlerClass = HostileRequest
        self.stage, self.hostile, self.attacked, self.is_over = stage, hostile, False, threading.Event()

    def handle_error(self, *_):
        """A client that has gone is none."""


@contextlib.contextmanager
def serving(arena, stage, hostile):
    with HostileBridge(os.path.dirname(arena.map), stage, hostile) as bridge:
        thread = threading.Thread(target=bridge.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield bridge
        finally:
            bridge.is_over.set()
            bridge.shutdown()
            thread.join()


def clean(arena, port, is_auto):
    folder = os.path.dirname(arena.map)
    bridge = "auto" if is_auto else f"http://127.0.0.1:{port}"
    environment = {"CLAUDE_BRIDGE_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
    return arena.run("clean", "--session-dir", folder, "--bridge", bridge, environment=environment)


def attack(stage, hostile, is_auto, arena):
    arena.seal()
    with serving(arena, stage, hostile) as bridge:
        ended = clean(arena, bridge.server_port, is_auto)
        arena.expect(bridge.attacked, "the hostile answer was not asked for", ended)
        arena.expect(ended.code == 0 or ended.err, "no reason", ended)
        # A bridge that was named may have another map.
        if ended.code == 0 and "Sessions checked: 12" in ended.out:
            arena.removed(ended)
        arena.judge()
        bridge.stage = None
        bridge.map = json.loads(arena.home.old)
        arena.home.reset()
        arena.removed(clean(arena, bridge.server_port, False))


def lie(is_auto, arena):
    """A bridge that reports each removal and makes none."""
    arena.seal()
    with serving(arena, None, None) as bridge:
        bridge.change = lambda _: True
        ended = clean(arena, bridge.server_port, is_auto)
    arena.expect(ended.code == 3 and arena.gone() == set(), "the lie was believed", ended)


SILENT = "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(9); print(s.getsockname()[1], flush=True); time.sleep(60)"


def foreign(is_auto, arena):
    """Another user's silent port decides nothing under auto, and is refused by name."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if not (IS_ROOT and python):
        raise NotTried("only root can start another user's process, with a python3 that all may use")
    user, arena.user = arena.user, OTHER
    listener = arena.as_user(python, "-c", SILENT, stdout=subprocess.PIPE, env={})
    arena.user = user
    port = int(listener.stdout.readline())
    ended = clean(arena, port, is_auto)
    listener.stdout.close()
    if is_auto:
        arena.removed(ended)
    else:
        arena.refused(ended, "belongs to", [1])


def attacks():
    answers = {name: (text, None, 0) for name, text in BYTES.items()}
    for status in STATUSES:
        head = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n{}" % status
        answers[f"status {status}"] = (head, None, 0)
    for name, value in BODIES.items():
        body = json.dumps(value).encode()
        answers[f"{name} as the answer"] = (OK + b"Content-Length: %d\r\n\r\n" % len(body) + body, None, 0)
    # Each way of naming the bridge in turn.
    for number, ((name, hostile), stage) in enumerate(itertools.product({**answers, **ENDLESS}.items(), STAGES)):
        how = ("named", "auto")[number % 2]
        yield Attack(f"{how}: {name} to {stage}", partial(attack, stage, hostile, how == "auto"))
    for is_auto in (False, True):
        how = "auto" if is_auto else "named"
        yield Attack(f"{how}: reports removals and makes none", partial(lie, is_auto))
        yield Attack(f"{how}: another user's silent port", partial(foreign, is_auto))
