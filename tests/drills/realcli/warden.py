"""session-warden in the laboratory: its map, its configuration, and what it answers."""

import json
import os
import subprocess

PROFILE = """
[[profile]]
name = "drill"
session_dir = "{folder}"
{more}
"""
# The bridge of this format is quiet; one of an unknown format counts as one that breaks.
KNOWN = 'map_format = "claude-remote"'


class Warden:
    """session-warden with a map of its own; `more` are further lines of its profile."""

    def __init__(self, lab, binary, more=KNOWN, name="warden"):
        self.lab, self.binary = lab, binary
        self.folder, self.map = f"{lab.root}/bridge", f"{lab.root}/bridge/session_map.json"
        self.config, self.state = f"{lab.root}/{name}.toml", f"{lab.root}/state"
        os.makedirs(self.folder, exist_ok=True)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(PROFILE.format(folder=self.folder, more=more))

    def write_map(self, chats):
        """Maps each chat to its session of Claude Code."""
        with open(self.map, "w", encoding="utf-8") as file:
            json.dump({"claude-cli": chats}, file)

    def chats(self):
        """Returns the chats that are mapped, and their sessions."""
        with open(self.map, encoding="utf-8") as file:
            return json.load(file).get("claude-cli", {})

    def command(self, command, *arguments):
        """Returns the command line of one of its commands."""
        where = ["--config", self.config, "--state-dir", self.state]
        if command != "hold":
            where += ["--profile", "drill"]
        if command in ("clean", "release"):
            where += ["--bridge", "off"]
        return [self.binary, *command.split(), *where, *arguments]

    def run(self, *arguments, before=()):
        """Runs a command, below the command `before`; returns its exit code and what it printed."""
        env = {"HOME": self.lab.home, "PATH": "/usr/bin:/bin"}
        command = [*before, *self.command(*arguments)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments, before=()):
        """The same with `--json`: returns the exit code and the report."""
        code, out, err = self.run(*arguments, "--json", before=before)
        try:
            return code, json.loads(out)
        except ValueError:
            return code, {"sessions": [], "summary": {}, "warnings": [{"message": err.strip()}]}
