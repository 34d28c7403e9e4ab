"""Hostile clients of `keepalive serve`. Afterwards, /health still answers."""

import contextlib
import resource
import signal
import socket
import subprocess
import time
from functools import partial

from arena import Attack, wait

JOB = '[[keepalive]]\nid = "private-name"\naction = "command"\ncommand = "true"\nevery = "1h"\n'
GET = "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
FOREIGN = [
    "evil.example", "evil.example:PORT", "127.0.0.1.evil.example", "localhost.evil.example:PORT", "localhost@evil.example",
    "evil.example@localhost", "localhost, evil.example", "evil.example#localhost", "localhost\\evil.example", "127.0.0.1/..",
    "xn--lcalhost-1gf", "localhos", "localhostx", "[::1", "[evil.example]", "127.1.evil", "0x7f.1.evil", "a" * 8000, "%6cocalhost",
    "localhost:x", ".localhost.evil", "-", "*", "localhost%00.evil", "127.0.0.1:PORT evil.example", "\xff\xfe", "\u2024",
]  # fmt: skip
PATHS = [
    "/../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/etc/passwd", "/health/..",
    "/status%00", "/STATUS", "/status/", "/?x=/status", "/" + "a" * 100_000, "/%", "/%zz", "/\\..\\etc", "/.git/config", "/metrics;x",
]  # fmt: skip
METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "GET\0", "X" * 100_000]
# Whole requests that are no proper ones. None of their answers may show a job.
MALFORMED = {
    "nothing": "", "a line feed": "\n", "no version": "GET /status\r\n\r\n", "version 9": "GET /status HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no host": "GET /status HTTP/1.1\r\n\r\n", "two hosts": "GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "an empty host": "GET /status HTTP/1.1\r\nHost:\r\n\r\n", "NULs": "\0" * 65536, "TLS": "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 99,
    "an address of another host": "GET http://evil.example/status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "an address of a file": "GET file:///etc/passwd HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP 2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header of 16 MiB": "GET / HTTP/1.1\r\nX: " + "y" * (16 << 20), "100,000 headers": "GET / HTTP/1.1\r\n" + "X: y\r\n" * 100_000,
    "a folded header": "GET /status HTTP/1.1\r\nHost: evil\r\n localhost\r\n\r\n", "a bare return": "GET /status HTTP/1.1\rHost: localhost\r\r",
    "a length without a body": "GET /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n",
    "both lengths": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status",
    "an upgrade": "GET /x HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "10,000 requests at once": GET.format("/x", "localhost").replace("close", "keep-alive") * 10_000,
}  # fmt: skip
SILENT = 400


@contextlib.contextmanager
def serving(arena):
    """The port of a service, which must end with 0 when it is asked to."""
    arena.write("user/home/.config/session-warden/config.toml", JOB)
    arena.own += [arena.path("user/home/.local"), arena.path("user/home/.cache")]
    with open(arena.path("errors"), "w+b") as errors:
        arena.own.append(errors.name)
        process = arena.start("keepalive", "serve", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, stderr=errors)
        try:
            line = process.stdout.readline().decode()
            yield int(line.strip().rsplit(":", 1)[1])
        finally:
            process.send_signal(signal.SIGTERM)
            is_late, _ = wait(process, 10)
            process.stdout.close()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        if process.returncode != 0 or is_late or "panicked" in said:
            arena.wrong.append(f"the service ended with {process.returncode}: {said[-300:]}")


def ask(port, request, patience=5):
    """What comes back until the connection is closed, or so many seconds have passed."""
    answer, end = b"", time.monotonic() + patience
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        with contextlib.suppress(OSError):
            client.sendall(request if isinstance(request, bytes) else request.encode("latin-1", "replace"))
        while time.monotonic() < end and (part := client.recv(65536)):
            answer += part
    return answer.decode("latin-1")


def check_health(arena, port):
    """Positive control: the service answers by its own name, and shows its job there."""
    for path, content in (("/health", "200 OK"), ("/status", "private-name")):
        answer = ask(port, GET.format(path, f"127.0.0.1:{port}"))
        if content not in answer:
            arena.wrong.append(f"{path}: {answer[:200]!a}")


def attack(request, statuses, arena):
    with serving(arena) as port:
        answer = ask(port, request.replace("PORT", str(port)))
        if "private-name" in answer or "root:" in answer:
            arena.wrong.append(f"shows what is private: {answer[:300]!a}")
        status = answer.split(" ")[1] if answer.startswith("HTTP/") else ""
        if status not in statuses:
            arena.wrong.append(f"answered {answer[:100]!a}")
        check_health(arena, port)


def beside(hostile, arena):
    """Some connections that stay, while the service is asked."""
    with serving(arena) as port, contextlib.ExitStack() as clients:
        for number in range(SILENT):
            client = clients.enter_context(socket.socket())
            # From many addresses.
            client.bind((f"127.0.{number % 200}.{1 + number % 250}", 0))
            client.connect(("127.0.0.1", port))
            with contextlib.suppress(OSError):
                client.sendall(hostile)
        check_health(arena, port)


def attacks():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8 * SILENT)), hard))
    for host in FOREIGN:
        for path in ("/status", "/health"):
            yield Attack(f"{path} for {host[:40]}", partial(attack, GET.format(path, host), ["421", "400", "431", ""]))
    for path in PATHS:
        yield Attack(f"GET {path[:40]}", partial(attack, GET.format(path, "localhost"), ["404", "400", "414", "431", ""]))
    for method in METHODS:
        request = GET.format("/status", "localhost").replace("GET", method)
        yield Attack(f"{method[:40]} /status", partial(attack, request, ["405", "400", "501", "414", "431", ""]))
    for name, request in MALFORMED.items():
        yield Attack(name, partial(attack, request, ["400", "404", "408", "413", "414", "421", "431", "405", "501", "505", ""]))
    for name, sent in {"silent": b"", "half a line": b"GET /st", "half a head": b"GET / HTTP/1.1\r\nX: "}.items():
        yield Attack(f"{SILENT} connections: {name}", partial(beside, sent))
