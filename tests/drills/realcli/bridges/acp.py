"""A chat bridge on an agent of the Agent Client Protocol: one session for each chat, kept by the agent.

usage: acp.py [resumes] -- AGENT...

It reads {"chat", "text"} lines and prints what each chat sees, as {"chat", "answer", "session"} or {"chat", "error"}.
With `resumes` it loads the session again after an error, and repeats the message; without, it shows the error.
"""

import itertools
import json
import os
import subprocess
import sys

SPLIT = sys.argv.index("--")
RESUMES = "resumes" in sys.argv[1:SPLIT]
SESSIONS, ASKED = {}, itertools.count(1)


class Refused(Exception):
    """An error that the agent answered with."""


def show(chat, **seen):
    print(json.dumps({"chat": chat, **seen}), flush=True)


def send(agent, **message):
    agent.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    agent.stdin.flush()


def call(agent, method, **params):
    """Returns the result of a call, and the text that arrived meanwhile."""
    number, text = next(ASKED), ""
    send(agent, id=number, method=method, params=params)
    for line in agent.stdout:
        message = json.loads(line)
        if message.get("id") == number and "method" not in message:
            if "error" in message:
                raise Refused(json.dumps(message["error"]))
            return message["result"], text

        update = message.get("params", {}).get("update", {})
        if update.get("sessionUpdate") == "agent_message_chunk":
            text += update["content"].get("text", "")
        if "id" in message:
            send(agent, id=message["id"], error={"code": -32601, "message": "not offered"})

    raise Refused("the agent has ended")


def ask(agent, chat, text):
    """Sends a message to the chat's session, and shows the answer."""
    if chat not in SESSIONS:
        SESSIONS[chat] = call(agent, "session/new", cwd=os.getcwd(), mcpServers=[])[0]["sessionId"]
    prompt = [{"type": "text", "text": text}]
    result, answer = call(agent, "session/prompt", sessionId=SESSIONS[chat], prompt=prompt)
    if not answer:
        raise Refused(f"no answer: {json.dumps(result)}")
    show(chat, answer=answer, session=SESSIONS[chat])


def answer(agent, chat, text):
    """The same, again after the session was loaded where the agent refused."""
    try:
        ask(agent, chat, text)
    except Refused:
        if not RESUMES or chat not in SESSIONS:
            raise
        call(agent, "session/load", sessionId=SESSIONS[chat], cwd=os.getcwd(), mcpServers=[])
        ask(agent, chat, text)


def main():
    pipe = subprocess.PIPE
    with subprocess.Popen(sys.argv[SPLIT + 1 :], stdin=pipe, stdout=pipe, text=True) as agent:
        call(agent, "initialize", protocolVersion=1, clientCapabilities={})
        for line in sys.stdin:
            message = json.loads(line)
            try:
                answer(agent, message["chat"], message["text"])
            except Refused as error:
                show(message["chat"], error=str(error))
        agent.terminate()


main()
