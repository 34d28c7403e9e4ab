// Starts what is due, and waits for nothing: no chat is held up by it, and no error reaches one.
import { spawn } from "node:child_process";

export default async function handler() {
  try {
    const child = spawn("session-warden", ["keepalive", "run", "--quiet"], {
      detached: true,
      stdio: "ignore",
    });
    child.on("error", () => {});
    child.unref();
  } catch {
    // Where nothing can be started, nothing is.
  }
}
