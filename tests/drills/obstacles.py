"""What may be in the way of a clean of a home: each a context that takes the home, with the obstacle there.

Each gives what is to stand before the command, and its further options. Afterwards the obstacle has gone,
but not what the clean did. Mounts are only made apart (apart.py).
"""

import os
import shutil
import stat
from contextlib import contextmanager

from apart import mount, unmount

PAGE = os.sysconf("SC_PAGESIZE")


def full(where, pages=0, metrics=()):
    """That folder is on a disk with so many pages left."""

    @contextmanager
    def obstacle(home):
        folder = f"{home.root}/{where}"
        on_disk(home, where, "size=1m")
        with open(f"{folder}/filler", "wb", buffering=0) as file:
            try:
                while file.write(b"x" * PAGE):
                    pass
            except OSError:
                file.truncate(file.tell() // PAGE * PAGE - pages * PAGE)
        yield [], [option.format(home.root) for option in metrics]
        os.remove(f"{folder}/filler")

    return obstacle


def on_disk(home, where, options):
    """Puts that folder, with what is in it, on a disk of its own."""
    folder = f"{home.root}/{where}"
    os.makedirs(folder, exist_ok=True)
    about = os.stat(folder)
    within = {}
    for entry in os.scandir(folder):
        with open(entry, "rb") as file:
            within[entry.name] = file.read()
    mount("-t", "tmpfs", "-o", f"{options},mode={about.st_mode & 0o7777:o}", "drill", folder)
    os.chown(folder, about.st_uid, about.st_gid)
    for name, content in within.items():
        with open(f"{folder}/{name}", "wb") as file:
            file.write(content)


@contextmanager
def no_inodes(home):
    """The map's disk has room, and no inode for another file."""
    on_disk(home, "bridge", "nr_inodes=2")
    yield [], []
    mount("-o", "remount,nr_inodes=10", f"{home.root}/bridge")


def read_only(where):
    """That folder is mounted read-only."""

    @contextmanager
    def obstacle(home):
        folder = f"{home.root}/{where}"
        os.makedirs(folder, exist_ok=True)
        mount("--bind", folder, folder)
        mount("-o", "remount,bind,ro", folder)
        yield [], []
        unmount(folder)

    return obstacle


def vanished(where, *options):
    """What is mounted there is not, and its empty mount point is."""

    @contextmanager
    def obstacle(home):
        mount("-t", "tmpfs", "drill", f"{home.root}/{where}")
        yield [], options
        unmount(f"{home.root}/{where}")

    return obstacle


@contextmanager
def mounted_map(home):
    """The map alone is mounted, as containers do with single files."""
    outside = f"{home.root}/outside.json"
    shutil.copy(home.map, outside)
    mount("--bind", outside, home.map)
    yield [], []
    unmount(home.map)


def started(*command, options=()):
    """The clean is started by that command, and so it ends with the limit."""

    @contextmanager
    def obstacle(_home):
        yield list(command), options

    return obstacle


def make(path, like):
    """A folder with those above it, or a file if it is called a lock, of the same owner as that one."""
    if not os.path.exists(os.path.dirname(path)):
        make(os.path.dirname(path), like)
    if path.endswith(".lock"):
        open(path, "xb").close()
    else:
        os.mkdir(path)
    os.chown(path, like.st_uid, like.st_gid)


def changed(where, mode=None, owner=None):
    """That file or folder has another mode or owner; both are made where there is none."""

    @contextmanager
    def obstacle(home):
        path = f"{home.root}/{where}"
        if not os.path.exists(path):
            make(path, os.stat(home.root))
        was = os.stat(path)
        if mode is not None:
            os.chmod(path, mode)
        if owner is not None:
            os.chown(path, owner, owner)
        yield [], []
        os.chown(path, was.st_uid, was.st_gid)
        os.chmod(path, stat.S_IMODE(was.st_mode))

    return obstacle
