#!/usr/bin/env python3
"""The image and its pods in a container engine, Podman 4.3 of Debian 12: it builds packaging/container/Dockerfile,
runs the image beside a bridge in another container, and plays what packaging/kubernetes has: the pods of the
CronJobs, and the Deployment of keep-alive with its probes.

usage: podman.py BINARY [CACHE]

BINARY is the static one that is released: the image must have the same, to the byte. The image that the build
begins with is made of a Debian 12, which is kept in CACHE if that is given, and of this machine's toolchain.

Needs root, mounts, Debian's archive and crates.io; as long as a release build, and a few minutes. Everything that
it makes is in a folder and in namespaces of its own, and is removed at its end.
"""

import base64
import contextlib
import ctypes
import filecmp
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from apart import why_not
from home import Home

PROJECT = os.path.realpath(f"{os.path.dirname(__file__)}/../..")
CLONE_NEWNET = 0x40000000
# The limits are low, for runc gets no higher ones in many a container.
LIMITS = ("nofile=4096:4096", "nproc=4096:4096")
# The user of the overlays, and that of the image.
USER, NOBODY = 1000, 65532
NETWORK, IMAGE = "bridge-net", "session-warden:0.1.0"
PACKAGES = "ca-certificates,gcc,libc6-dev,python3"
TOOLS = ("podman", "buildah", "runc", "catatonit", "iptables", "debootstrap", "/usr/lib/podman/netavark")

wrong = []


def check(what, is_right, *found):
    print(f"{'PASS' if is_right else 'FAIL'}  {what}{'' if is_right else f': {found}'}", flush=True)
    if not is_right:
        wrong.append(what)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def eventually(what, seconds=20):
    """What that returns as soon as it is something; nothing if it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if found := what():
                return found
        time.sleep(0.2)
    return None


class Podman:
    """The engine, with a storage of its own."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("root", "run", "tmp", "networks", "files"):
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        limits = ", ".join(f'"{limit}"' for limit in LIMITS)
        with open(f"{folder}/containers.conf", "w", encoding="utf-8") as file:
            file.write(
                f'[containers]\ndefault_ulimits = [{limits}]\n[engine]\ncgroup_manager = "cgroupfs"\n'
                f'events_logger = "file"\n[network]\nnetwork_backend = "netavark"\n'
                f'network_config_dir = "{folder}/networks"\n'
            )
        # No systemd runs here, which would run the checks of health.
        own = {"CONTAINERS_CONF": f"{folder}/containers.conf", "TMPDIR": f"{folder}/tmp", "DISABLE_HC_SYSTEMD": "true"}
        self.environment = {**os.environ, **own}
        self.command = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir"]
        self.command += [f"{folder}/tmp", "--storage-driver", "vfs", "--runtime", "runc"]

    def ask(self, *arguments, **options):
        """How that ends, and what it prints."""
        options = {"capture_output": True, "text": True, "timeout": 300, **options}
        ran = subprocess.run([*self.command, *arguments], env=self.environment, **options)
        return ran.returncode, ran.stdout, ran.stderr

    def do(self, *arguments, **options):
        """What that prints, which has to succeed."""
        code, out, said = self.ask(*arguments, **options)
        if code != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {code}: {said}")
        return (out or "").strip()

    def run(self, *arguments):
        """How a container ends that is started as docs/fleet.md does, and what it prints."""
        limits = (f"--ulimit={limit}" for limit in LIMITS)
        return self.ask("run", "--rm", "--read-only", "--cap-drop", "ALL", *limits, *arguments)

    def play(self, name, documents):
        """Plays them; returns the file that they are in."""
        path = f"{self.folder}/files/{name}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write("---\n".join(documents))
        self.do("kube", "play", "--network", NETWORK, path)
        return path

    def address(self, container):
        form = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        return self.do("inspect", "--format", form, container)

    def remove_all(self):
        for command in ("pod rm -fa", "rm -fa -t 0", "volume rm -fa", f"network rm -f {NETWORK}"):
            self.ask(*command.split())


def base_image(podman, cache, name):
    """The image that the Dockerfile begins with, under that name: a Debian 12, and the toolchain of this machine."""
    slim = f"{cache}/slim-python"
    if not os.path.isdir(slim):
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", f"{slim}.part"]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(f"{slim}.part", ignore_errors=True)
            sys.exit(f"debootstrap: {made.stdout[-500:]}")
        os.rename(f"{slim}.part", slim)
    toolchain = output("rustc", "--print", "sysroot").strip()
    # Whom this machine trusts.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", f"{slim}/etc/ssl/certs")
    # Only the names of the toolchain begin without a dot.
    tar = ["tar", "-c", "--transform", r"s,^\(bin\|lib\)\($\|/\),usr/local/rust/\1\2,"]
    tar += ["-C", slim, ".", "-C", toolchain, "bin", "lib"]
    path = "/usr/local/cargo/bin:/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    settings = [f"--change=ENV={pair}" for pair in (f"PATH={path}", "CARGO_HOME=/usr/local/cargo")]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packed:
        podman.do("import", *settings, "-", f"docker.io/library/{name}", stdin=packed.stdout)
    if packed.returncode != 0:
        sys.exit("the base image cannot be packed")
    return slim


def build(podman, binary, cache):
    with open(f"{PROJECT}/packaging/container/Dockerfile", encoding="utf-8") as file:
        name = re.search(r"^FROM (\S+) AS build$", file.read(), re.M)[1]
    version = output("rustc", "--version").split()[1]
    check(f"the image is built from the Rust of this machine, {version}", name == f"rust:{version}-slim-bookworm", name)
    slim = base_image(podman, cache, name)
    shown = output(binary, "--version")
    commit = re.search(r"\((.*)\)", shown)
    options = ["--pull=never", "--layers=false", "--network=host", *(f"--ulimit={limit}" for limit in LIMITS)]
    options += ["--build-arg", f"SESSION_WARDEN_BUILT_FROM={commit[1] if commit else ''}"]
    dockerfile = ["-f", "packaging/container/Dockerfile"]
    log = f"{podman.folder}/build.log"
    with open(log, "w", encoding="utf-8") as file:
        # As the README has it.
        code = podman.ask("build", *options, *dockerfile, "-t", IMAGE, ".", cwd=PROJECT, timeout=7200,
                          capture_output=False, stdin=subprocess.DEVNULL, stdout=file, stderr=file)[0]
    with open(log, encoding="utf-8") as file:
        check("the image is built, by the Dockerfile as it is", code == 0, code, file.read()[-2000:])
    if wrong:
        sys.exit(1)
    return slim, shown.strip()


def of_the_image(podman, binary, shown):
    root = podman.do("image", "mount", IMAGE)
    found = sorted(os.listdir(root)) + os.listdir(f"{root}/state")
    check("it has the binary and the folder of state, and nothing else", found == ["session-warden", "state"], found)
    check("its binary is the one that is released", filecmp.cmp(f"{root}/session-warden", binary, shallow=False))
    podman.do("image", "unmount", IMAGE)
    about = json.loads(podman.do("image", "inspect", IMAGE))[0]
    label = about["Labels"]["org.opencontainers.image.version"]
    check("its label has the version", label == shown.split()[1], label, shown)
    check("it runs as a number, not as root", about["User"] == f"{NOBODY}:{NOBODY}", about["User"])
    ran = podman.run("--network=none", IMAGE, "--version")
    check(f"it runs: {shown}", ran == (0, f"{shown}\n", ""), ran)
    ran = podman.run("--network=none", "-v", "alone:/state", IMAGE)
    check("alone, with a new volume: there is no map", ran[0] == 0 and "Sessions checked: 0" in ran[1], ran)
    home = Home(f"{podman.folder}/files/alone", 1)
    own(f"{home.root}/bridge", NOBODY)
    mounts = ["-v", "alone:/state", "-v", f"{home.root}/bridge:/tmp/claude_sessions"]
    ran = podman.run("--network=none", *mounts, "-e", "HOME=", IMAGE)
    # An engine that knows no user has HOME be /.
    right = ran[0] == 3 and "--home" in ran[2] and home.gone() == set()
    check("without a home it removes nothing, and names --home", right, ran)


def own(folder, user):
    for above, _, names in os.walk(folder):
        for path in (above, *(f"{above}/{name}" for name in names)):
            os.chown(path, user, user)


@contextlib.contextmanager
def bridge(podman, slim, home):
    """The container `bridge`: the stand-in, with the map of that home; what it was asked is its log."""
    mounts = ["-v", f"{PROJECT}/tests/drills:/drill:ro", "-v", f"{home.root}/bridge:/map"]
    options = ["--name=bridge", f"--network={NETWORK}", f"--user={USER}:{USER}", "--read-only", *mounts]
    podman.do("run", "-d", *options, "--rootfs", slim, "python3", "-B", "/drill/stand_in.py", "/map")
    address = podman.address("bridge")
    eventually(lambda: socket.create_connection((address, 8000), 1))
    yield
    podman.do("rm", "-f", "-t", "0", "bridge")


def new_home(podman, name):
    home = Home(f"{podman.folder}/files/{name}", 3)
    own(home.root, USER)
    # Claims that are there already, as the bridge's own would be.
    for claim, folder in (("bridge-home", "home"), ("bridge-map", "bridge")):
        podman.ask("volume", "rm", "-f", claim)
        device = f"device={home.root}/{folder}"
        podman.do("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", device, claim)
    return home


def beside_a_bridge(podman, slim):
    """The commands of docs/fleet.md."""
    home = new_home(podman, "run")
    mounts = ["-v", f"{home.root}/home:/home/sessions:ro", "-v", "session-warden-state:/state"]
    common = [f"--user={USER}:{USER}", f"--network={NETWORK}", *mounts]
    arguments = ["clean", "--bridge", "http://bridge:8000", "--allow-remote-bridge"]
    with bridge(podman, slim, home):
        others = [f"--user={USER + 1}:{USER + 1}", f"--network={NETWORK}", *mounts[:2], "-v", "others:/state"]
        ran = podman.run(*others, IMAGE, *arguments)
        right = ran[0] == 3 and "belongs to" in ran[2] and home.gone() == set()
        check("another user's sessions are not believed", right, ran)
        ran = podman.run(*common, IMAGE, *arguments)
        right = ran[0] == 0 and not ran[2] and home.gone() == home.idle
        check("clean, beside a bridge in another container", right, ran)
        asked = podman.do("logs", "bridge").count("DELETE /sessions/")
        check("the bridge was asked for each", asked == len(home.idle), asked)
        ran = podman.run(*common, IMAGE, "history")
        right = ran[0] == 0 and re.search(rf" clean +{len(home.idle)} ", ran[1])
        check("the next container knows what was removed", bool(right), ran)
    undo = ["undo", "--session-dir", "/map", "--bridge", "off"]
    ran = podman.run(*common, "-v", f"{home.root}/bridge:/map", IMAGE, *undo)
    check("undo, with the bridge stopped", ran[0] == 0 and home.gone() == set(), ran)


def rendered(overlay):
    """What kustomize makes of that folder: its documents by their kind."""
    kustomize = output(f"{PROJECT}/.ci/kustomize").strip()
    text = output(kustomize, "build", f"{PROJECT}/packaging/kubernetes/{overlay}")
    return {re.search(r"^kind: (\w+)$", document, re.M)[1]: document for document in text.split("---\n")}


def pod_of(cronjob, name, arguments=None):
    """The pod that a CronJob would start, named so; with other arguments if some are given."""
    lines = cronjob.splitlines()
    begin = lines.index("      template:") + 1
    template = []
    for line in lines[begin:]:
        if not line.startswith(" " * 8):
            break
        template.append(line[8:])
    text = "\n".join(template).replace("metadata:\n", f"metadata:\n  name: {name}\n", 1)
    if arguments:
        listed = "".join(f'    - "{argument}"\n' for argument in arguments)
        text = re.sub(r"(  - args:\n)(    - .*\n)+", rf"\1{listed}", text)
    return f"apiVersion: v1\nkind: Pod\n{text}\n"


def tag(podman, document):
    """The name of the image in it, which is a registry's, is this image's as well."""
    podman.do("tag", IMAGE, re.search(r"image: (\S+)", document)[1])


class CronJob:
    """What an overlay has, played as often as its CronJob would start it."""

    def __init__(self, podman, overlay):
        self.podman, self.overlay, self.parts, self.count = podman, overlay, rendered(overlay), 0
        self.claim = self.parts["PersistentVolumeClaim"]
        tag(podman, self.parts["CronJob"])

    def run(self, arguments=None):
        """How the container of its pod ends, and what it prints."""
        self.count += 1
        name = f"{self.overlay}-{self.count}"
        # The claim outlives the pods.
        documents = [self.parts["ConfigMap"], *([self.claim] if self.count == 1 else [])]
        path = self.podman.play(name, [*documents, pod_of(self.parts["CronJob"], name, arguments)])
        container = f"{name}-session-warden"
        code = int(self.podman.do("wait", container))
        self.about = json.loads(self.podman.do("inspect", container))[0]
        _, out, said = self.podman.ask("logs", container)
        self.podman.do("kube", "down", path)
        return code, out, said


def is_locked_in(about, user, memory):
    """Whether a container is as its manifest demands."""
    host = about["HostConfig"]
    return (
        about["Config"]["User"] in (f"{user}", f"{user}:{user}")
        and host["ReadonlyRootfs"]
        and not host["Privileged"]
        and not about["EffectiveCaps"]
        and host["Memory"] == memory * 1024 * 1024
    )


def of_the_cronjobs(podman, slim, binary):
    home = new_home(podman, "bridge")
    job = CronJob(podman, "bridge")
    with bridge(podman, slim, home):
        ran = job.run()
        check("the CronJob's pod beside a bridge", ran[0] == 0 and home.gone() == home.idle, ran)
    demanded = job.about["HostConfig"], job.about["Config"]["User"], job.about["EffectiveCaps"]
    check("it is that user, read-only, without capabilities, limited", is_locked_in(job.about, USER, 256), demanded)

    home = new_home(podman, "map-folder")
    job = CronJob(podman, "map-folder")
    known = job.run(["history"])
    check("a pod with a new claim", known[0] == 0, known)
    # As a CLI's container would, whose processes are not seen from the pod: it holds by its beat.
    held = sorted(home.idle)[0]
    claim = re.search(r"^  name: (\S+)$", job.claim, re.M)[1]
    options = [f"--user={USER}:{USER}", "--network=none", "-v", f"{claim}:/state", "-e", "XDG_STATE_HOME=/state"]
    options += ["-v", f"{binary}:/session-warden:ro", "-e", "HOME=/tmp", "--read-only", "--rootfs", slim]
    command = ["/session-warden", "hold", "--session", home.chats[held[0]][held[1]], "--", "sleep", "300"]
    podman.do("run", "-d", "--name=holder", *options, *command)
    begun = eventually(lambda: json.loads(job.run(["hold", "list", "--json"])[1])["holds"])
    ran = job.run()
    right = bool(begun) and ran[0] == 0 and home.gone() == home.idle - {held}
    check("the CronJob's pod with the map's folder, beside a hold of another container", right, begun, ran)
    podman.do("rm", "-f", "-t", "0", "holder")
    ran = job.run(["undo", "--session-dir", "/map", "--bridge", "off"])
    check("undo by the next pod", ran[0] == 0 and home.gone() == set(), ran)
    check("the map keeps its owner", os.stat(home.map).st_uid == USER)


def probes_of(deployment):
    """Path, port and timeout of each probe."""
    port = re.search(r"- containerPort: (\d+)\n +name: http", deployment)[1]
    found = {}
    for name in ("livenessProbe", "readinessProbe"):
        form = rf"{name}:\n +httpGet:\n +path: (\S+)\n +port: http\n +periodSeconds: \d+\n +timeoutSeconds: (\d+)"
        path, timeout = re.search(form, deployment).groups()
        found[name] = (path, int(port), int(timeout))
    return found


def get(address, path, port, timeout):
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def of_keep_alive(podman):
    parts = rendered("keepalive")
    deployment = parts["Deployment"]
    tag(podman, deployment)
    # Of a secret, Podman 4.3 takes the data alone, as JSON.
    with open(f"{PROJECT}/packaging/kubernetes/keepalive/secret.yaml", encoding="utf-8") as file:
        shape = re.search(r"^  name: (\S+)$(?s:.*)^stringData:\n  (\S+):", file.read(), re.M).groups()
    data = {shape[1]: base64.b64encode(b"sk-ant-sid-drill").decode()}
    podman.do("secret", "create", shape[0], "-", input=json.dumps(data))
    path = podman.play("keepalive", [parts["PersistentVolumeClaim"], deployment])
    containers = podman.do("ps", "--format", "{{.Names}}").split()
    container = next(name for name in containers if name.endswith("-session-warden"))
    about = json.loads(podman.do("inspect", container))[0]
    demanded = about["HostConfig"], about["Config"]["User"], about["EffectiveCaps"]
    check("the Deployment's container is as its manifest demands", is_locked_in(about, NOBODY, 64), demanded)
    pod = json.loads(podman.do("pod", "inspect", about["Pod"]))
    address = podman.address(pod["InfraContainerID"])
    for name, (where, port, timeout) in probes_of(deployment).items():
        answer = eventually(lambda: (found := get(address, where, port, timeout))[0] == 200 and found)
        check(f"its {name}, {where}", bool(answer), answer or podman.ask("logs", container))
    status, metrics = get(address, "/metrics", 3000, 5)
    check("what the Service leads to", status == 200 and "session_warden_keepalive_healthy 1" in metrics, metrics)
    begun = time.monotonic()
    podman.do("stop", "-t", "90", container)
    code = json.loads(podman.do("inspect", container))[0]["State"]["ExitCode"]
    took = time.monotonic() - begun
    check("it ends by itself when it is stopped", code == 0 and took < 30, code, took, podman.ask("logs", container))
    podman.do("kube", "down", path)
    podman.do("secret", "rm", shape[0])


def cgroups():
    found = set()
    for above, folders, _ in os.walk("/sys/fs/cgroup"):
        found |= {f"{above}/{name}" for name in folders if name.startswith("libpod")}
    return found


def own_network():
    """Its own loopback, firewall and bridges, which end with this process."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def inside(folder, binary, cache=None):
    """All of it, in namespaces whose end is that of all that was started in them."""
    # Locks and networks of other engines are not to be seen.
    for place in ("/dev/shm", "/run/netns", "/run/containers"):
        os.makedirs(place, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "drill", place], check=True)
    podman = Podman(folder)
    print(podman.do("--version"), flush=True)
    slim, shown = build(podman, binary, cache or folder)
    own_network()
    podman.do("network", "create", NETWORK)
    of_the_image(podman, binary, shown)
    beside_a_bridge(podman, slim)
    of_the_cronjobs(podman, slim, binary)
    of_keep_alive(podman)
    podman.remove_all()
    left = [podman.do(*what) for what in (("ps", "-aq"), ("volume", "ls", "-q"), ("pod", "ls", "-q"))]
    check("the engine has removed all of it", not any(left), left)
    sys.exit(1 if wrong else 0)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1])
    paths = [os.path.realpath(path) for path in sys.argv[1:]]
    if "DRILL_INSIDE" in os.environ:
        inside(os.environ["DRILL_INSIDE"], *paths)
    if why := why_not():
        print(f"not run here: {why}")
        return
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        sys.exit(f"podman.py needs {', '.join(missing)}")
    if len(paths) == 2:
        os.makedirs(paths[1], exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    before = cgroups()
    # However the other process ends, what it has made is removed here.
    with tempfile.TemporaryDirectory(prefix="session-warden-podman-") as folder:
        try:
            environment = {**os.environ, "DRILL_INSIDE": folder}
            ended = subprocess.run([*names, sys.executable, __file__, *paths], env=environment)
        finally:
            for group in sorted(cgroups() - before, reverse=True):
                for above, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(above)
    print(f"the image and its pods, in podman: {'right' if ended.returncode == 0 else 'wrong'}")
    sys.exit(ended.returncode)


main()
