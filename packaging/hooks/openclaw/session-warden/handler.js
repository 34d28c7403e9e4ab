// Starts the jobs that are due in the background: no chat waits for them, and no error reaches one.
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
    // A program that cannot be started is ignored: a chat must not fail because of it.
  }
}
