"""A chat bridge on the vendor's Python SDK: one session for each chat, kept open for the next message.

usage: python.py [resumes]

It reads {"chat", "text"} lines and prints what each chat sees, as {"chat", "answer", "session"} or {"chat", "error"}.
With `resumes` it resumes the session when the CLI has ended; without, it does what the SDK's examples do.
"""

import asyncio
import json
import sys

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, CLIConnectionError, ResultMessage

RESUMES = sys.argv[1:] == ["resumes"]
CHATS, SESSIONS = {}, {}


def show(chat, **seen):
    print(json.dumps({"chat": chat, **seen}), flush=True)


async def ask(chat, text):
    """Sends a message to the chat's session, and shows the answer."""
    if chat not in CHATS:
        CHATS[chat] = ClaudeSDKClient(ClaudeAgentOptions(resume=SESSIONS.get(chat), setting_sources=["user"]))
        await CHATS[chat].connect()

    await CHATS[chat].query(text)
    async for message in CHATS[chat].receive_response():
        if isinstance(message, ResultMessage):
            SESSIONS[chat] = message.session_id
            show(chat, answer=message.result, session=message.session_id)


async def answer(chat, text):
    """The same, again in a new process where the old one has ended."""
    try:
        await ask(chat, text)
    except CLIConnectionError:
        if not RESUMES:
            raise
        await CHATS.pop(chat).disconnect()
        await ask(chat, text)


async def main():
    while line := await asyncio.to_thread(sys.stdin.readline):
        message = json.loads(line)
        try:
            await answer(message["chat"], message["text"])
        except Exception as error:
            show(message["chat"], error=f"{type(error).__name__}: {error}")


asyncio.run(main())
