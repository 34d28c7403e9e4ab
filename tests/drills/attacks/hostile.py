"""What can be in the place of a file or folder: each puts itself at a path of an arena."""

import contextlib
import os
import shutil
import socket
import time

from arena import HOUR, IS_ROOT, OTHER, NotTried

LONG = 64 << 20


def fifo(path, _):
    os.mkfifo(path)


def a_socket(path, arena):
    # A path of a socket is short.
    short = arena.path("s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(short)
    os.rename(short, path)


def folder(path, _):
    os.mkdir(path)


def endless(path, _):
    os.symlink("/dev/zero", path)


def link_to_victim(path, arena):
    os.symlink(arena.victim, path)


def dangling(path, arena):
    os.symlink(arena.path("elsewhere/absent"), path)


def loop(path, _):
    os.symlink(os.path.basename(path), path)


def sparse(path, _):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def unreadable(path, _):
    with open(path, "wb") as file:
        file.write(b"{}")
    os.chmod(path, 0)


def closed_folder(path, _):
    os.mkdir(path, 0)


def second_name(path, arena):
    os.link(arena.victim, path)


def of_another(path, arena):
    if not IS_ROOT:
        raise NotTried("only root can give a file to another user")
    arena.write(path, arena.secret, mode=0o644)
    os.lchown(path, OTHER, OTHER)


def long_line(path, arena):
    with open(path, "wb") as file:
        for _ in range(LONG >> 20):
            file.write(b"x" * (1 << 20))


def of(content):
    def put(path, arena):
        arena.write(path, content)

    return put


KINDS = {
    "a FIFO": fifo, "a socket": a_socket, "a folder": folder, "a link to /dev/zero": endless,
    "a link to another user's file": link_to_victim, "a dangling link": dangling, "a link to itself": loop,
    "a sparse TiB": sparse, "an unreadable file": unreadable, "a closed folder": closed_folder,
    "a second name of another user's file": second_name, "another user's file": of_another,
    "an empty file": of(""), "NULs": of("\0" * 5000),
    "truncated JSON": of('{"run":"20260101T000000Z-1-1","session":"'), "deep nesting": of("[" * 100_000),
    "a line of 64 MiB": long_line,
}  # fmt: skip


@contextlib.contextmanager
def in_place(arena, path, put):
    """Puts that at the path, old enough not to count as a use; what was there comes back at the end."""
    aside = arena.path("aside")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if was_there := os.path.lexists(path):
        os.rename(path, aside)
    put(path, arena)
    written = time.time() - 5 * HOUR
    os.utime(path, (written, written), follow_symlinks=False)
    try:
        yield
    finally:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.remove(path)
        if was_there:
            os.rename(aside, path)
