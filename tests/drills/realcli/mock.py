#!/usr/bin/env python3
"""A model server for the real CLIs: it speaks the four protocols that they use, on loopback only.

usage: mock.py PORT LOG

It answers every prompt with one fixed sentence. Words in the last prompt ask for more:

  wait=SECONDS         the answer comes after so many seconds, so a turn is under way meanwhile
  use=agent            one call of the CLI's tool for subagents; the other keys of CALLS likewise
  agent-wait=SECONDS   the agent's answer comes after so many seconds

LOG gets a line for each request: its path, its prompt, the tools it offers and, of Claude Code, the earlier prompts.
"""

import itertools
import json
import re
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = "This is the answer."
AGENT = "Answer wait=WAIT now."

WORKFLOW = """export const meta = { name: 'two', description: 'two agents', phases: [{ title: 'All' }] }
phase('All')
const first = await agent('Answer now.', { label: 'first' })
const second = await agent('Answer wait=WAIT now.', { label: 'second' })
return { first, second }
"""

# For each wish, the tools that grant it, the first one that the CLI offers.
CALLS = {
    "agent": [
        ("Agent", {"description": "Answer", "prompt": AGENT, "subagent_type": "general-purpose"}),
        ("Task", {"description": "Answer", "prompt": AGENT, "subagent_type": "general-purpose"}),
        ("spawn_agent", {"message": AGENT, "agent_type": "default"}),
        ("multi_agent_v1", {"message": AGENT, "agent_type": "default"}),
        ("invoke_agent", {"agent_name": "generalist", "prompt": AGENT}),
        ("task", {"task": AGENT, "agent": "explore"}),
    ],
    "workflow": [("Workflow", {"script": WORKFLOW})],
    "shell": [
        ("Bash", {"command": "touch made", "description": "Make a file"}),
        ("exec_command", {"cmd": "touch made"}),
        ("list_directory", {"dir_path": "."}),
        ("bash", {"command": "touch made"}),
    ],
    # Gemini's subagents end by a tool of their own.
    "end": [("complete_task", {"result": {"response": "Done."}})],
    # What Claude Code still has to do after its turn.
    "background": [("Bash", {"command": "sleep 900", "description": "Wait", "run_in_background": True})],
    "bare": [("Bash", {"command": "exec env -i sleep 900", "description": "Wait", "run_in_background": True})],
    "monitor": [("Monitor", {"command": "sleep 900", "description": "Wait", "timeout_ms": 900000})],
    "cron": [("CronCreate", {"cron": "0 0 1 1 *", "prompt": "Answer now.", "recurring": True})],
    "durable": [("CronCreate", {"cron": "0 0 1 1 *", "prompt": "Answer now.", "recurring": True, "durable": True})],
    "wakeup": [("ScheduleWakeup", {"delaySeconds": 3600, "reason": "Wait", "prompt": "Answer now.", "noop": False})],
}
SEARCH = "ToolSearch"


def wished(prompt, is_result, tools):
    """Returns the tool call that a prompt asks for, as name and arguments, or None."""
    wish = re.search(r"\buse=(\w+)", prompt)
    name = "end" if "complete_task" in tools else wish and not is_result and wish[1]
    calls = CALLS.get(name or "", [])
    for tool, arguments in calls:
        if tool in tools:
            wait = re.search(r"\bagent-wait=(\d+)", prompt)
            text = json.dumps(arguments).replace("WAIT", wait[1] if wait else "0")
            return tool, json.loads(text)

    # Claude Code offers some of its tools only after a search for them.
    if calls and SEARCH in tools:
        return SEARCH, {"query": f"select:{calls[0][0]}", "max_results": 1}
    return None


def since_answer(messages):
    """Returns the messages since the model's last answer, the newest first; a search for tools is no answer."""
    tail = [*itertools.takewhile(lambda message: message.get("role") != "assistant", reversed(messages))]
    earlier = messages[: len(messages) - len(tail)]
    blocks = earlier[-1]["content"] if earlier else []
    if any(block.get("name") == SEARCH for block in blocks if isinstance(block, dict)):
        return since_answer(earlier[:-1])

    return tail


def prompts(messages):
    """Returns the text of each prompt of a conversation, without what Claude Code adds to it."""
    texts = (text_of(message["content"]) for message in messages if message.get("role") == "user")
    texts = (re.sub(r"<system-reminder>.*?</system-reminder>", "", text, flags=re.DOTALL).strip() for text in texts)
    return [text for text in texts if text]


def text_of(content):
    """Returns the text of a message's content, in any of the four forms."""
    if isinstance(content, str):
        return content

    return " ".join(part.get("text") or "" for part in content or [] if isinstance(part, dict))


class Server(ThreadingHTTPServer):
    """Serves each request in a thread; a client that has left is no error."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Request(BaseHTTPRequestHandler):
    """One request, answered in the protocol of its path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keeps standard error quiet; `answer` writes the log."""

    def do_HEAD(self):
        self.send_json({})

    def do_GET(self):
        is_list = self.path.split("?")[0].endswith("/models")
        self.send_json({"object": "list", "data": [], "models": []} if is_list else {}, 200 if is_list else 404)

    def do_POST(self):
        body = json.loads(self.body() or b"{}")
        path = self.path.split("?")[0]
        routes = {
            "count_tokens": lambda _: self.send_json({"input_tokens": 10}),
            "countTokens": lambda _: self.send_json({"totalTokens": 10}),
            "/messages": self.anthropic,
            "/responses": self.openai,
            "/chat/completions": self.chat,
            "enerateContent": self.gemini,
        }
        for end, route in routes.items():
            if path.endswith(end):
                return route(body)

        return self.send_json({})

    def body(self):
        """Returns the request's body, also one that is sent in chunks."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()

        self.rfile.readline()
        return body

    def answer(self, prompt, is_result, tools, history=()):
        """Waits as the prompt asks, logs the request, and returns the tool call to make, or None."""
        call = wished(prompt, is_result, tools)
        with LOCK:
            line = {"path": self.path, "prompt": prompt[-300:], "history": history, "tools": tools, "call": call}
            print(json.dumps(line), file=LOG, flush=True)

        wait = re.search(r"(?<![-\w])wait=(\d+)", prompt)
        if wait and not is_result:
            time.sleep(int(wait[1]))

        return call

    def send_json(self, value, code=200):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_events(self, events, are_named=True):
        """Sends values as server-sent events, each under the name in its `type`, and ends the connection."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

        for event in events:
            name = f"event: {event['type']}\n" if are_named else ""
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"{name}data: {data}\n\n".encode())

    def anthropic(self, body):
        messages = body.get("messages") or []
        # The prompt can have several messages.
        tail = since_answer(messages)
        parts = [part for message in tail if isinstance(message["content"], list) for part in message["content"]]
        prompt = " ".join(text_of(message["content"]) for message in reversed(tail))
        is_result = any(part.get("type") == "tool_result" for part in parts)
        call = self.answer(prompt, is_result, [tool.get("name") for tool in body.get("tools") or []], prompts(messages))

        blocks = [{"type": "text", "text": ANSWER}]
        if call:
            blocks.append({"type": "tool_use", "id": new_id("toolu_"), "name": call[0], "input": call[1]})
        usage = {"input_tokens": 10, "output_tokens": 5}
        message = {"id": new_id("msg_"), "type": "message", "role": "assistant", "usage": usage}
        message["model"] = body.get("model")
        end = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
        if not body.get("stream"):
            return self.send_json({**message, **end, "content": blocks})

        events = [{"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}]
        for index, block in enumerate(blocks):
            empty, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": ANSWER}
            if block["type"] == "tool_use":
                empty = {**block, "input": {}}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            events.append({"type": "content_block_start", "index": index, "content_block": empty})
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
            events.append({"type": "content_block_stop", "index": index})

        events += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
        return self.send_events(events)

    def openai(self, body):
        last = (body.get("input") or [{}])[-1]
        tools = [tool.get("name") or tool.get("type") for tool in body.get("tools") or []]
        call = self.answer(text_of(last.get("content")), last.get("type") != "message", tools)

        content = [{"type": "output_text", "text": ANSWER, "annotations": []}]
        item = {"type": "message", "id": new_id("msg_"), "role": "assistant", "status": "completed", "content": content}
        if call:
            name, space = (call[0], {})
            if call[0] == "multi_agent_v1":
                name, space = "spawn_agent", {"namespace": call[0]}
            arguments = {"name": name, "arguments": json.dumps(call[1])}
            item = {"type": "function_call", "id": new_id("fc_"), "call_id": new_id("call_"), **space, **arguments}
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        done = {"id": new_id("resp_"), "object": "response", "status": "completed", "output": [item], "usage": usage}
        if not body.get("stream"):
            return self.send_json(done)

        return self.send_events([
            {"type": "response.created", "response": {**done, "status": "in_progress", "output": []}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ])

    def chat(self, body):
        last = (body.get("messages") or [{}])[-1]
        tools = [(tool.get("function") or {}).get("name") for tool in body.get("tools") or []]
        call = self.answer(text_of(last.get("content")), last.get("role") != "user", tools)

        message = {"role": "assistant", "content": ANSWER}
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            message["tool_calls"] = [{"index": 0, "id": new_id("call_"), "type": "function", "function": function}]
        reason = "tool_calls" if call else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        base = {"id": new_id("chat_"), "created": int(time.time()), "model": body.get("model")}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            return self.send_json({**base, "object": "chat.completion", "choices": [choice], "usage": usage})

        chunk = {**base, "object": "chat.completion.chunk"}
        started = {"index": 0, "delta": message, "finish_reason": None}
        ended = {"index": 0, "delta": {}, "finish_reason": reason}
        events = [{**chunk, "choices": [started]}, {**chunk, "choices": [ended], "usage": usage}, "[DONE]"]
        return self.send_events(events, are_named=False)

    def gemini(self, body):
        parts = (body.get("contents") or [{}])[-1].get("parts") or []
        is_result = any("functionResponse" in part for part in parts)
        sets = [tool.get("functionDeclarations") or [] for tool in body.get("tools") or []]
        call = self.answer(text_of(parts), is_result, [tool.get("name") for tools in sets for tool in tools])

        part = {"functionCall": {"name": call[0], "args": call[1]}} if call else {"text": ANSWER}
        if "application/json" in json.dumps(body.get("generationConfig") or {}):
            # The router's question which model to take, and the like.
            route = {"reasoning": "none", "model_choice": "flash", "next_speaker": "user", "complexity_score": 1}
            part = {"text": json.dumps({**route, "complexity_reasoning": "none"})}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
        response = {"candidates": [candidate], "usageMetadata": usage, "responseId": new_id("")}
        if "stream" in self.path:
            return self.send_events([response], are_named=False)

        return self.send_json(response)


def new_id(prefix):
    return prefix + uuid.uuid4().hex[:24]


if __name__ == "__main__":
    LOCK = threading.Lock()
    LOG = open(sys.argv[2], "a", encoding="utf-8")
    Server(("127.0.0.1", int(sys.argv[1])), Request).serve_forever()
