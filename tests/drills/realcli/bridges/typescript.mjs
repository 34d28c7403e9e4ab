// A chat bridge on the vendor's TypeScript SDK: one session for each chat, kept open for the next message.
//
// usage: typescript.mjs SDK [resumes]
//
// It reads {"chat", "text"} lines and prints what each chat sees, as {"chat", "answer", "session"} or
// {"chat", "error"}. With `resumes` it resumes the session with the next message once the CLI has ended; without, it
// does what the SDK's examples do.
import { createInterface } from "node:readline";

const [sdk, mode] = process.argv.slice(2);
const { query } = await import(sdk);
const chats = new Map();
const sessions = new Map();

const show = (chat, seen) => console.log(JSON.stringify({ chat, ...seen }));

async function run(chat, messages) {
  const resume = mode === "resumes" ? sessions.get(chat) : undefined;
  for await (const message of query({ prompt: messages, options: { resume, settingSources: ["user"] } })) {
    if (message.type !== "result") continue;
    sessions.set(chat, message.session_id);
    show(chat, { answer: message.result, session: message.session_id });
  }
}

function open(chat) {
  const waiting = [];
  let wake = () => {};
  const messages = (async function* () {
    for (;;) {
      while (waiting.length > 0) yield { type: "user", message: { role: "user", content: waiting.shift() } };
      await new Promise((resolve) => (wake = resolve));
    }
  })();

  chats.set(chat, (text) => (waiting.push(text), wake()));
  const ended = run(chat, messages);
  if (mode === "resumes") ended.catch(() => {}).finally(() => chats.delete(chat));
  else ended.catch((error) => show(chat, { error: error.message }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { chat, text } = JSON.parse(line);
  if (!chats.has(chat)) open(chat);
  chats.get(chat)(text);
}
process.exit(0);
