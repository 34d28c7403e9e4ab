#!/usr/bin/env python3
"""Root cleans another user's map: that user's home, holds and undos count, and root leaves nothing there.

usage: owner.py BINARY

The user is in a password file of the drill's own, which is mounted over the machine's where nobody else
sees it. Needs root and mounts.
"""

import os
import shutil
import subprocess
import sys

from apart import apart, mount, why_not
from home import Home

USER = 61234


def as_user(home, binary, *arguments):
    """How such a run of that user's ends, and what it says on standard error."""
    command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", binary, *arguments]
    environment = {"HOME": f"{home.root}/home", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stderr


def roots_environment(base, home):
    """Root's home is elsewhere, and its map is the user's."""
    return {"HOME": f"{base}/root", "PATH": "/usr/bin:/bin", "CLAUDE_SESSION_DIR": f"{home.root}/bridge"}


def as_root(base, home, binary, *arguments):
    """The same of root's."""
    environment = roots_environment(base, home)
    ran = subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stderr


def belongs_to_root(folder):
    """What in there is root's: nothing, if root has left nothing."""
    found = []
    for above, folders, names in os.walk(folder):
        found += [path for name in (*folders, *names) if os.lstat(path := f"{above}/{name}").st_uid == 0]
    return found


def opened_as_root(base, home, binary, *arguments):
    """What such a run of root's opens below the user's folder before it becomes the user."""
    trace = f"{base}/trace"
    calls = "trace=clone,clone3,setuid,open,openat,openat2,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat"
    words = ["strace", "-f", "-qq", "-s", "4096", "-e", calls, "-o", trace, binary, *arguments]
    subprocess.run(words, env=roots_environment(base, home), capture_output=True, check=False)
    users, found = set(), []
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            process, _, call = line.strip().partition(" ")
            if call.lstrip().startswith(f"setuid({USER})") and call.endswith("= 0"):
                users.add(process)
            elif process in users and "clone" in call:
                # A thread of the child.
                users.add(call.rsplit("= ", 1)[-1].split()[0])
            elif process not in users and f'"{home.root}' in call:
                found.append(call.strip())
    if not users:
        found.append("no process has become the user")
    return found


def offences(base, binary):
    home = Home(f"{base}/user", 3)
    with open("/etc/passwd", encoding="utf-8") as file:
        users = file.read()
    with open(f"{base}/passwd", "w", encoding="utf-8") as file:
        file.write(f"{users}drill:x:{USER}:{USER}::{home.root}/home:/bin/sh\n")
    mount("--bind", f"{base}/passwd", "/etc/passwd")
    os.mkdir(f"{base}/root")
    for folder, _, names in os.walk(home.root):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            os.chown(path, USER, USER)
    of_file = ["--bridge", "off", "--map", home.map]
    held = sorted(home.idle)[0]
    session = home.chats[held[0]][held[1]]
    started = as_user(home, binary, "hold", "start", "--session", session, "--key", "k", "--ttl", "1h")
    if started != (0, ""):
        yield f"the user's hold: {started}"
    ended = as_root(base, home, binary, "clean", *of_file)
    if ended != (0, "") or home.gone() != home.idle - {held}:
        yield f"a held session went, or others stayed: {ended}, {home.gone()}"
    as_user(home, binary, "hold", "stop", "--key", "k")
    # What the user has put back stays, though root knows of no undo.
    home.reset()
    os.chown(home.map, USER, USER)
    as_user(home, binary, "clean", *of_file)
    if home.gone() != home.idle:
        yield f"the user's own clean: {home.gone()}"
    undone = as_user(home, binary, "undo", *of_file)
    again = as_root(base, home, binary, "clean", *of_file)
    if undone[0] != 0 or again != (0, "") or home.gone() != set():
        yield f"what the user has put back went: {undone}, {again}, {home.gone()}"
    # Root's own log and metrics are root's, and an undo is that of the user.
    home.reset()
    os.chown(home.map, USER, USER)
    outputs = ["--log", f"{base}/root/log", "--metrics", f"{base}/root/metrics.prom"]
    ended = as_root(base, home, binary, "clean", *of_file, *outputs)
    written = all(os.lstat(path).st_uid == 0 and os.path.getsize(path) for path in outputs[1::2])
    if ended[0] != 0 or not written:
        yield f"log and metrics: {ended}"
    undone = as_root(base, home, binary, "undo", *of_file)
    if undone[0] != 0 or home.gone() != set():
        yield f"root's undo: {undone}, {home.gone()}"
    environment = roots_environment(base, home)
    past = subprocess.run([binary, "history"], env=environment, capture_output=True, text=True, check=False)
    if past.returncode != 0 or " undo " not in past.stdout:
        yield f"root's history of the user's runs: {past}"
    commands = [[command, *of_file] for command in ("clean", "list", "doctor", "undo")]
    for command in (*commands, ["history"]):
        for call in opened_as_root(base, home, binary, *command):
            yield f"{command[0]}, as root: {call}"
    roots = belongs_to_root(home.root)
    if roots:
        yield f"root has left {roots}"


def main():
    why = why_not()
    if why:
        print(f"not run here: {why}")
        return
    with apart() as base:
        # Other users may not reach the one that was named.
        binary = shutil.copy(sys.argv[1], base)
        wrong = list(offences(base, binary))
    for it in wrong:
        print(f"OFFENCE  {it}")
    print(f"root upon another user's map: 3 cleans, {len(wrong)} offences")
    sys.exit(1 if wrong else 0)


main()
