"""A stand-in for the bridge: its map in memory, rewritten whole and in place at each change.

usage: stand_in.py FOLDER, the one of session_map.json; it listens at port 8000, and each request is a
line on standard output. Drills in Python run one in their own process, at a free port: `running`.
"""

import contextlib
import functools
import http.server
import json
import sys
import threading
import urllib.parse


class Bridge(http.server.ThreadingHTTPServer):
    # Closing it waits for the requests that it has begun to answer.
    daemon_threads = False

    def __init__(self, folder, address=("127.0.0.1", 0), says=lambda _: None):
        super().__init__(address, Request)
        self.path, self.says, self.lock = f"{folder}/session_map.json", says, threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        # What it was asked to let go, and did, in that order.
        self.went = []
        with open(self.path, encoding="utf-8") as file:
            self.map = json.load(file)

    def change(self, change):
        """Has the map changed in memory, and writes it out if that says that it did."""
        # The real one does one thing at a time.
        with self.lock:
            if not change(self.map):
                return False
            with open(self.path, "w", encoding="utf-8") as file:
                json.dump(self.map, file)
            return True


class Request(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.server.lock:
            sessions = {model: dict(chats) for model, chats in self.server.map.items()}
        if self.path == "/":
            count = sum(len(chats) for chats in sessions.values())
            hello = {"message": "Claude CLI Bridge API", "version": "0", "status": "running"}
            self.answer(200, {**hello, "active_sessions": count})
        elif self.path == "/sessions":
            self.answer(200, {"sessions": sessions})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_DELETE(self):
        url = urllib.parse.urlsplit(self.path)
        chat = urllib.parse.unquote(url.path.removeprefix("/sessions/"))
        model = urllib.parse.parse_qs(url.query).get("model", [""])[0]

        def let_go(sessions):
            if sessions.get(model, {}).pop(chat, None) is None:
                return False
            self.server.went.append((model, chat))
            return True

        if self.server.change(let_go):
            self.answer(200, {"status": "deleted", "chat_id": chat, "models": [model]})
        else:
            self.answer(404, {"detail": "Session not found"})

    def log_message(self, *_):
        self.server.says(f"{self.command} {self.path}")

    def handle(self):
        # Whoever asked may have been killed.
        with contextlib.suppress(ConnectionError):
            super().handle()


@contextlib.contextmanager
def running(folder):
    """A bridge on the map in that folder. When this ends, whatever it was asked for is done."""
    with Bridge(folder) as bridge:
        thread = threading.Thread(target=bridge.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield bridge
        finally:
            bridge.shutdown()
            thread.join()


if __name__ == "__main__":
    Bridge(sys.argv[1], ("0.0.0.0", 8000), functools.partial(print, flush=True)).serve_forever()
