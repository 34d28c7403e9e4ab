"""Mounts for drills: in a namespace of their own, where nobody else sees them."""

import ctypes
import os
import subprocess
import tempfile
from contextlib import contextmanager

CLONE_NEWNS = 0x20000


def why_not():
    """Why this machine lets nobody mount apart; nothing where it does."""
    if os.geteuid() != 0:
        return "mounts need root"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "drill", "/mnt"], capture_output=True, text=True
    )
    return tried.stderr.strip() if tried.returncode else None


@contextmanager
def apart():
    """A folder in memory. What is mounted below it goes with this process, however that ends."""
    # Python has os.unshare from 3.12 on.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    mount("--make-rprivate", "/")
    with tempfile.TemporaryDirectory(prefix="session-warden-apart-") as folder:
        # Other users are to reach what is in it.
        mount("-t", "tmpfs", "-o", "mode=0755", "drill", folder)
        try:
            yield folder
        finally:
            unmount("--lazy", folder)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def unmount(*arguments):
    subprocess.run(["umount", *arguments], check=True)
