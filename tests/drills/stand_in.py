"""A stand-in for the bridge, at port 8000: its map in memory, rewritten whole at each change.

usage: stand_in.py FOLDER, the one of session_map.json. Each request is a line on standard output.
"""

import http.server
import json
import sys
import urllib.parse

PATH = sys.argv[1] + "/session_map.json"
with open(PATH, encoding="utf-8") as file:
    MAP = json.load(file)


class Bridge(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/":
            count = sum(len(chats) for chats in MAP.values())
            hello = {"message": "Claude CLI Bridge API", "version": "0", "status": "running"}
            self.answer(200, {**hello, "active_sessions": count})
        elif self.path == "/sessions":
            self.answer(200, {"sessions": MAP})
        else:
            self.answer(404, {"detail": "Not Found"})

    def do_DELETE(self):
        url = urllib.parse.urlsplit(self.path)
        chat = urllib.parse.unquote(url.path.removeprefix("/sessions/"))
        model = urllib.parse.parse_qs(url.query).get("model", [""])[0]
        if MAP.get(model, {}).pop(chat, None) is None:
            self.answer(404, {"detail": "Session not found"})
            return
        with open(PATH, "w", encoding="utf-8") as file:
            json.dump(MAP, file)
        self.answer(200, {"status": "deleted", "chat_id": chat, "models": [model]})

    def log_message(self, *_):
        print(self.command, self.path, flush=True)


http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Bridge).serve_forever()
