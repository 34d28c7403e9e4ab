#!/usr/bin/env python3
"""A real OpenClaw of the JSON era sees what a touch has raised, and neither loses what the other writes.

usage: openclaw.py BINARY

Fetches OpenClaw, and Node where there is none that is new enough, with npm into a folder of its own. OpenClaw
itself then runs without a network, where a name space without one can be had, and is asked for nothing that
needs one. Takes some minutes, and half a GiB on the disk.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

# Of each form of the lock one: the first goes by the lock's own time, the second by its process. What the
# second lists is not asked: without a network it did not end.
VERSIONS = {"2026.2.12": True, "2026.4.20": False}
NODE = "22"
WRITES, ROUNDS = 300, 5
AGENT = "agents/main/sessions"
USED, IDLE = "agent:main:main", "agent:main:direct:idle"

# Node's side of the race: OpenClaw's own update of a store, as its chunk exports it.
WRITER = """
import { readdirSync, readFileSync } from "node:fs";
const [folder, store, key, writes] = process.argv.slice(2);
for (const name of readdirSync(folder).filter((name) => name.endsWith(".js"))) {
  const text = readFileSync(`${folder}/${name}`, "utf8");
  const exported = /[{,]\\s*updateSessionStore(?: as ([\\w$]+))?[,\\s}]/.exec(text.slice(text.lastIndexOf("export {")));
  if (!exported || !text.includes("async function updateSessionStore(")) continue;
  const update = (await import(`${folder}/${name}`))[exported[1] ?? "updateSessionStore"];
  for (let round = 0; round < Number(writes); round += 1) {
    await update(store, (all) => { all[key].drill = (all[key].drill ?? 0) + 1; });
  }
  process.exit(0);
}
console.error("no update of a store was found");
process.exit(1);
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, **options)


def node(base):
    """The folder of a Node that is new enough; nothing where there is none."""
    there = shutil.which("node")
    if there and int(run("node", "--version").stdout.strip("v\n").split(".")[0]) >= int(NODE):
        return os.path.dirname(there)
    # The one there cannot run OpenClaw, but npm can fetch one that can; its installer finds the binary.
    folder = f"{base}/node"
    os.mkdir(folder)
    got = run("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, f"node@{NODE}")
    return f"{folder}/node_modules/node/bin" if got.returncode == 0 else None


def fetch(base, version, path):
    """OpenClaw of that version; nothing where it cannot be had."""
    folder = f"{base}/{version}"
    os.makedirs(f"{folder}/none/src")
    # What lists no sessions and comes from elsewhere, or is not everywhere: WhatsApp's cryptography, and a
    # parser of style sheets. Names that others import must be there.
    names = ["calculateMAC", "calculateSignature", "decrypt", "deriveSecrets", "encrypt"]
    names += ["generateKeyPair", "verifySignature"]
    text = "".join(f"exports.{name} = () => {{}};\n" for name in names)
    for file in ("index.js", "src/curve.js", "src/crypto.js"):
        with open(f"{folder}/none/{file}", "w", encoding="utf-8") as out:
            out.write(text)
    with open(f"{folder}/none/package.json", "w", encoding="utf-8") as out:
        json.dump({"name": "none", "version": "1.0.0"}, out)
    package = {
        "name": "drill",
        "version": "1.0.0",
        "private": True,
        "dependencies": {"openclaw": version},
        "overrides": {"libsignal": "file:./none", "cssomnom": "file:./none"},
    }
    with open(f"{folder}/package.json", "w", encoding="utf-8") as out:
        json.dump(package, out)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
    got = run("npm", "install", *options, cwd=folder, env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"})
    if got.returncode != 0:
        print(f"not run here: npm cannot fetch OpenClaw {version}: {got.stderr.strip().splitlines()[-1:]}")
        return None
    return f"{folder}/node_modules/openclaw"


class Home:
    """A home with a session that is used and one that is not."""

    def __init__(self, root, binary, openclaw, path):
        self.binary, self.openclaw = binary, openclaw
        self.store = f"{root}/.openclaw/{AGENT}/sessions.json"
        self.environment = {"HOME": root, "PATH": f"{path}:/usr/bin:/bin", "TMPDIR": root}
        self.apart = ["unshare", "-n"] if run("unshare", "-n", "true").returncode == 0 else []
        os.makedirs(os.path.dirname(self.store))
        os.makedirs(f"{root}/.config/session-warden")
        with open(f"{root}/.config/session-warden/config.toml", "w", encoding="utf-8") as out:
            out.write('[[keep]]\nid = "claw"\naction = "openclaw-touch"\nagents = "all"\nevery = "1m"\n')
            out.write('active_within = "1h"\nsame_container = true\n')
        old = int(time.time() * 1000) - 9 * 3600 * 1000
        sessions = {
            key: {"sessionId": f"0000000{number}-0000-4000-8000-000000000001", "updatedAt": old}
            for number, key in enumerate([USED, IDLE])
        }
        with open(self.store, "w", encoding="utf-8") as out:
            out.write(json.dumps(sessions, indent=2))
        os.chmod(self.store, 0o600)
        used = f"{os.path.dirname(self.store)}/{sessions[USED]['sessionId']}.jsonl"
        with open(used, "w", encoding="utf-8") as out:
            out.write("{}\n")

    def ages(self):
        """What OpenClaw says of how long ago each session was used, in seconds."""
        program = f"{self.openclaw}/openclaw.mjs"
        told = run(*self.apart, "node", program, "sessions", "--json", env=self.environment)
        listed = json.loads(told.stdout)["sessions"]
        return {session["key"]: session["ageMs"] / 1000 for session in listed}

    def read(self):
        with open(self.store, encoding="utf-8") as file:
            return json.load(file)

    def touch(self, *options):
        return run(self.binary, "keepalive", "run", *options, env=self.environment)

    def writer(self, script):
        """OpenClaw itself, which counts in the store again and again."""
        arguments = [f"{self.openclaw}/dist", self.store, USED, str(WRITES)]
        pipe = subprocess.PIPE
        command = [*self.apart, "node", script, *arguments]
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)


def contained(base, binary):
    """In a container, nothing is touched that somebody in another one may be at work on."""
    enter = ["unshare", "--pid", "--fork", "--mount-proc"]
    if run(*enter, "true").returncode != 0:
        print("not run here: containers, for want of name spaces")
        return
    home = Home(f"{base}/home", binary, None, "/usr/bin")
    config = f"{home.environment['HOME']}/.config/session-warden/config.toml"
    with open(config, encoding="utf-8") as file:
        said = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(said.replace("same_container = true\n", "attempts = 1\n"))
    before = home.read()
    ran = run(*enter, binary, "keepalive", "run", env=home.environment)
    if ran.returncode != 3 or "OpenClaw may be in another" not in ran.stdout or home.read() != before:
        yield f"within a container: {ran.returncode} {ran.stdout}{ran.stderr}"
    # The same, seen from above: what runs in there is called like OpenClaw. It ends with its input.
    inside = [*enter, "--kill-child", "sh", "-c", "echo; read -r _; :", "openclaw"]
    pipe = subprocess.PIPE
    with subprocess.Popen(inside, stdin=pipe, stdout=pipe) as fake:
        fake.stdout.readline()
        ran = run(binary, "keepalive", "run", "--force", env=home.environment)
        fake.stdin.close()
    if ran.returncode != 3 or "OpenClaw runs in a container, as process" not in ran.stdout or home.read() != before:
        yield f"beside a container: {ran.returncode} {ran.stdout}{ran.stderr}"
    ran = home.touch("--force")
    if ran.returncode != 0 or home.read() == before:
        yield f"with no container: {ran.returncode} {ran.stdout}{ran.stderr}"
    print("from within a container, and beside one with an OpenClaw in it, nothing was touched")


def shown(home, version):
    before = home.ages()
    if min(before.values()) < 8.9 * 3600:
        yield f"{version}: the sessions are not old to begin with: {before}"
    ran = home.touch()
    after = home.ages()
    if ran.returncode != 0 or "✓ main: touched 1 session" not in ran.stdout:
        yield f"{version}: {ran.stdout}{ran.stderr}"
    if not (after[USED] < 120 and after[IDLE] >= before[IDLE]):
        yield f"{version}: OpenClaw shows {after}"
    print(f"{version}: openclaw sessions shows {before[USED]:.0f} s before and {after[USED]:.0f} s after a touch")


def raced(home, version, script):
    touches, done = 0, 0
    for _ in range(ROUNDS):
        with home.writer(script) as writer:
            while writer.poll() is None:
                ran = home.touch("--force")
                touches += 1
                done += "✓ main: touched 1 session" in ran.stdout
                if ran.returncode != 0:
                    yield f"{version}: beside a writer: {ran.stdout}{ran.stderr}"
            if writer.returncode != 0:
                yield f"{version}: OpenClaw's own write failed: {writer.stderr.read()[-500:]}"
    counted = home.read()[USED].get("drill")
    if counted != WRITES * ROUNDS:
        yield f"{version}: OpenClaw wrote {WRITES * ROUNDS} times, and {counted} are there"
    if done == 0:
        yield f"{version}: no touch came through beside a writer"
    left = sorted(os.listdir(os.path.dirname(home.store)))
    if [name for name in left if not re.fullmatch(r"sessions\.json|.*\.jsonl", name)]:
        yield f"{version}: there is left {left}"
    print(f"{version}: {counted} writes of its own beside {touches} touches, {done} of them done")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="openclaw.") as base:
        wrong += contained(base, os.path.abspath(sys.argv[1]))
        path = node(base) if shutil.which("npm") else None
        if not path:
            print(f"not run here: npm is not there, or cannot fetch Node {NODE}")
        script = f"{base}/writer.mjs"
        with open(script, "w", encoding="utf-8") as out:
            out.write(WRITER)
        for version, lists in VERSIONS.items() if path else []:
            openclaw = fetch(base, version, path)
            if openclaw:
                home = Home(f"{base}/home-{version}", os.path.abspath(sys.argv[1]), openclaw, path)
                wrong += shown(home, version) if lists else []
                wrong += raced(home, version, script)
    for it in wrong:
        print(f"OFFENCE  {it}")
    sys.exit(1 if wrong else 0)


main()
