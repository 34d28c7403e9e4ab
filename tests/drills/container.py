#!/usr/bin/env python3
"""The image, without an engine: the last stage of packaging/container/Dockerfile by hand, run as the pods of
packaging/kubernetes would, in namespaces of their own: nothing but the binary, a root that is read-only, no
capability, no user database, another container's processes unseen, the bridge found by DNS.

usage: container.py BINARY, which has to be static

Needs root and namespaces. What it does not show is what an engine and a cluster do by themselves.
"""

import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading

from apart import apart, why_not
from home import Home
from stand_in import Bridge

PROJECT = os.path.realpath(f"{os.path.dirname(__file__)}/../..")
CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8913, 0x8914, 0x1
# That of the overlays.
USER = 1000


def text(name):
    with open(f"{PROJECT}/packaging/{name}", encoding="utf-8") as file:
        return file.read()


class Image:
    """The last stage: what it copies, sets and starts, as far as its instructions go."""

    def __init__(self, binary, root):
        self.root = root
        os.makedirs(f"{root}/state")
        os.chmod(f"{root}/state", 0o1777)
        shutil.copy(binary, f"{root}/session-warden")
        first, last = text("container/Dockerfile").split("\nFROM scratch\n")
        # These are what is done by hand here.
        by_hand = "install -D /build/*/release/session-warden /image/session-warden && install -d -m 1777 /image/state"
        assert by_hand in first and re.findall(r"^COPY .*$", last, re.M) == ["COPY --from=build /image/ /"]
        said = dict(re.findall(r"^(ENV|USER|ENTRYPOINT|CMD) (.*)$", last, re.M))
        self.environment = dict(pair.split("=") for pair in said["ENV"].split())
        self.user = int(said["USER"].split(":")[0])
        self.command, self.arguments = json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"])

    def run(self, arguments=None, user=None, environment=None, mounts=()):
        """How a container ends that is started so, and what it says; `mounts` are (from, to, how)."""
        script = ['set -e; root=$1; user=$2; shift 2', 'mount --bind "$root" "$root"']
        for source, target, how in (*mounts, (None, "/proc", None)):
            # An engine makes the places that it mounts at.
            place = f"{self.root}{target}"
            if source and os.path.isfile(source):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                open(place, "a", encoding="utf-8").close()
            else:
                os.makedirs(place, exist_ok=True)
            script.append(f"mount --bind '{source}' '{place}'" if source else f"mount -t proc proc '{place}'")
            if how == "ro":
                script.append(f"mount -o remount,ro,bind '{place}'")
        script += ['mount -o remount,ro,bind "$root"', "cd /"]
        script.append(
            'exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$root" "$@"'
        )
        command = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "bash", "-c"]
        command += ["\n".join(script), "bash", self.root, str(self.user if user is None else user)]
        command += self.command + (self.arguments if arguments is None else arguments)
        env = {**self.environment, **(environment or {}), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        return ran.returncode, ran.stdout, ran.stderr


def own_network():
    """Loopback alone, so that the usual ports are free and nobody else is asked."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def name_server():
    """Answers for every name with 127.0.0.2, as a cluster's does for its Services."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 53))

    def serve():
        while True:
            asked, whom = listening.recvfrom(512)
            end = asked.index(b"\0", 12) + 5
            is_v4 = asked[end - 4 : end - 2] == b"\0\1"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x7f\0\0\2" if is_v4 else b""
            counts = struct.pack(">HHHH", 1, int(is_v4), 0, 0)
            listening.sendto(asked[:2] + b"\x81\x80" + counts + asked[12:end] + answer, whom)

    threading.Thread(target=serve, daemon=True).start()


def own(folder, user):
    for above, _, names in os.walk(folder):
        for path in (above, *(f"{above}/{name}" for name in names)):
            os.chown(path, user, user)


def arguments_of(overlay):
    """What the CronJob of that overlay has the program told."""
    lines = iter(text(f"kubernetes/{overlay}/cronjob.yaml").splitlines())
    while next(lines).strip() != "args:":
        pass
    found = []
    for line in lines:
        item = line.strip()
        if item.startswith("- "):
            found.append(item.removeprefix("- ").strip('"'))
        elif not item.startswith("#"):
            return found


class Pod:
    """What a pod of an overlay has mounted, each in a folder of the drill's."""

    def __init__(self, image, base, overlay):
        self.image, self.overlay = image, overlay
        self.base = f"{base}/{overlay}"
        self.home = Home(self.base, 3)
        self.mounts = [
            (f"{self.base}/home", "/home/sessions", "ro"),
            (f"{self.base}/volume", "/state", "rw"),
            (f"{PROJECT}/packaging/kubernetes/{overlay}/config.toml", "/etc/session-warden/config.toml", "ro"),
            # As a kubelet writes it.
            (f"{self.base}/resolv.conf", "/etc/resolv.conf", "ro"),
        ]
        if overlay == "map-folder":
            self.mounts.append((f"{self.base}/bridge", "/map", "rw"))
        os.mkdir(f"{self.base}/volume")
        with open(f"{self.base}/resolv.conf", "w", encoding="utf-8") as file:
            file.write("search drill.svc.cluster.local svc.cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n")
        own(self.base, USER)
        # With fsGroup, a volume is root's and the group may write to it.
        os.chown(f"{self.base}/volume", 0, USER)
        os.chmod(f"{self.base}/volume", 0o2775)

    def run(self, arguments=None, user=USER):
        return self.image.run(arguments or arguments_of(self.overlay), user, mounts=self.mounts)


def of_the_image(image, base):
    """Alone, as `docker run` would start it."""
    code, out, said = image.run(["--version"])
    if (code, said) != (0, "") or not out.startswith("session-warden "):
        yield f"--version: {code}, {out}, {said}"
    # A volume that is new takes over what the image has in its place.
    os.makedirs(f"{base}/alone/volume")
    os.chmod(f"{base}/alone/volume", os.stat(f"{image.root}/state").st_mode)
    state = (f"{base}/alone/volume", "/state", "rw")
    code, out, said = image.run(mounts=[state])
    if code != 0 or said or "Sessions checked: 0" not in out:
        yield f"without anything: {code}, {out}, {said}"
    # Neither a home nor a database of users: a line that says so.
    home = Home(f"{base}/alone", 1)
    own(f"{base}/alone/bridge", image.user)
    mounts = [state, (f"{base}/alone/bridge", "/tmp/claude_sessions", "rw")]
    code, out, said = image.run(environment={"HOME": ""}, mounts=mounts)
    if code != 1 or "--home" not in said or home.gone() != set():
        yield f"without a home: {code}, {out}, {said}"


def of_a_bridge(image, base):
    pod = Pod(image, base, "bridge")
    with Bridge(f"{pod.base}/bridge", ("127.0.0.2", 8000)) as bridge:
        threading.Thread(target=bridge.serve_forever, args=(0.005,), daemon=True).start()
        # Another user's sessions are not believed.
        os.mkdir(f"{base}/other")
        os.chown(f"{base}/other", USER + 1, USER + 1)
        others = [*pod.mounts[:1], (f"{base}/other", "/state", "rw"), *pod.mounts[2:]]
        code, out, said = image.run(arguments_of("bridge"), USER + 1, mounts=others)
        if code != 3 or bridge.went or "belongs to" not in said:
            yield f"as somebody else: {code}, {out}, {said}, {bridge.went}"
        code, out, said = pod.run()
        if (code, said) != (0, "") or set(bridge.went) != pod.home.idle:
            yield f"over a bridge: {code}, {out}, {said}, {bridge.went}"
        # What went is known to the next pod, which is another one.
        code, out, said = pod.run(["history"])
        if code != 0 or not out.rstrip().endswith(f" {len(pod.home.idle)}"):
            yield f"its history: {code}, {out}, {said}"
        bridge.shutdown()
    # It stands still now, and its map's folder is mounted: what went can be put back.
    pod.mounts.append((f"{pod.base}/bridge", "/map", "rw"))
    code, out, said = pod.run(["undo", "--session-dir", "/map", "--bridge", "off"])
    if code != 0 or pod.home.gone() != set():
        yield f"undone: {code}, {out}, {said}, {pod.home.gone()}"


def of_a_folder(image, base):
    pod = Pod(image, base, "map-folder")
    # Held by another container, whose processes are not seen here: it holds by its beat.
    held = sorted(pod.home.idle)[0]
    session = pod.home.chats[held[0]][held[1]]
    hold = ["hold", "start", "--session", session, "--key", "k"]
    begun = pod.run([*hold, "--pid", "1"])
    ended = pod.run()
    if begun[0] != 0 or ended[0] != 0 or ended[2] or pod.home.gone() != pod.home.idle - {held}:
        yield f"a folder, and a hold: {begun}, {ended}, {pod.home.gone()}"
    undone = pod.run(["undo", "--session-dir", "/map", "--bridge", "off"])
    if undone[0] != 0 or pod.home.gone() != set():
        yield f"an undo: {undone}, {pod.home.gone()}"
    if os.stat(pod.home.map).st_uid != USER:
        yield "the map has another owner"


def main():
    why = why_not()
    if why:
        print(f"not run here: {why}")
        return
    own_network()
    name_server()
    with apart() as base:
        image = Image(sys.argv[1], f"{base}/image")
        # The binary alone, without even /proc.
        os.makedirs(f"{base}/empty")
        shutil.copy(sys.argv[1], f"{base}/empty")
        alone = ["chroot", "--userspec=1000:1000", f"{base}/empty", f"/{os.path.basename(sys.argv[1])}"]
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        ran = subprocess.run([*alone, "--version"], env=path, capture_output=True, text=True)
        print(f"in an empty chroot: {ran.stdout.strip() or ran.stderr}")
        wrong = [] if ran.returncode == 0 else [f"in an empty chroot: {ran}"]
        for part in (of_the_image(image, base), of_a_bridge(image, base), of_a_folder(image, base)):
            wrong += part
    for it in wrong:
        print(f"OFFENCE  {it}")
    print(f"the image and its pods, by hand: {len(wrong)} offences")
    sys.exit(1 if wrong else 0)


main()
