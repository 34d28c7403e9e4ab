"""The chat bridge hapi, with its hub and its runner: one chat, through the API of its web page.

usage: hapi.py HAPI CLAUDE

It reads {"chat", "text"} lines and prints what the chat sees, as {"chat", "answer", "session"} or {"chat", "error"}.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request

URL, TOKEN = "http://127.0.0.1:3006", "dummy"


def call(method, path, body=None, token=None):
    """Returns what the hub answers."""
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, method=method, headers=headers, data=data)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def again(work, seconds=60):
    """Returns what a piece of work returns once it succeeds with a result."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := work():
                return found
        except (OSError, KeyError, IndexError):
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def start(program, claude):
    """Starts the hub and a runner that finds this Claude Code."""
    os.makedirs("bin")
    os.symlink(claude, "bin/claude")
    own = {"CLI_API_TOKEN": TOKEN, "HAPI_API_URL": URL, "HAPI_HOME": os.path.abspath("hapi")}
    env = {**os.environ, **own, "PATH": f"{os.path.abspath('bin')}:{os.environ['PATH']}"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "env": env}
    subprocess.Popen([program, "hub"], **quiet)
    token = again(lambda: call("POST", "/api/auth", {"accessToken": TOKEN})["token"])
    subprocess.Popen([program, "runner", "start-sync"], **quiet)
    return token


def session_of(token):
    """Returns a new session of hapi."""
    machine = again(lambda: call("GET", "/api/machines", token=token)["machines"][0]["id"])
    wish = {"directory": os.getcwd(), "agent": "claude", "yolo": True}
    return again(lambda: call("POST", f"/api/machines/{machine}/spawn", wish, token)["sessionId"])


def seen_in(message):
    """Returns what a message shows: an answer, an error, or nothing."""
    data = message["content"]["content"].get("data") or {}
    if data.get("type") == "assistant":
        text = " ".join(part.get("text", "") for part in data["message"]["content"])
        return {"answer": text, "session": data["sessionId"]}

    return {"error": data["message"]} if data.get("type") == "message" else None


def watch(token, session, chat):
    """Prints what is new in a session, again and again."""
    known = set()
    while True:
        messages = call("GET", f"/api/sessions/{session}/messages?limit=100", token=token)["messages"]
        for message in messages:
            if message["id"] not in known and message["content"]["role"] == "agent" and (seen := seen_in(message)):
                print(json.dumps({"chat": chat, **seen}), flush=True)
            known.add(message["id"])
        time.sleep(0.1)


def main():
    token, session = start(*sys.argv[1:]), None
    for line in sys.stdin:
        message = json.loads(line)
        if not session:
            session = session_of(token)
            threading.Thread(target=watch, args=(token, session, message["chat"]), daemon=True).start()
        call("POST", f"/api/sessions/{session}/messages", {"text": message["text"], "localId": message["text"]}, token)


main()
