"""Commands whose clock is another, by Debian's package faketime."""

import glob
import json
import sys
import time
from datetime import datetime


def library():
    """The part of faketime that is loaded into a program, for those with threads."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else sys.exit("faketime is missing; Debian's package is faketime")


def fake(spec=None, zone="UTC", **more):
    """What is put before a command whose clock is so."""
    variables = {"TZ": zone, **more}
    if spec is not None or more:
        # Files keep their own times, and nobody sets the clock that waits are measured by.
        variables |= {"LD_PRELOAD": library(), "NO_FAKE_STAT": "1", "DONT_FAKE_MONOTONIC": "1"}
    if spec is not None:
        variables["FAKETIME"] = f"{spec:+.3f}" if isinstance(spec, float | int) else spec
    return ["env", *(f"{name}={value}" for name, value in variables.items())]


def is_faked(home, binary):
    """Whether that program asks the C library for the time, where it can be faked."""
    command = ["--dry-run", "--format", "json", "--bridge", "off", "--map", home.map]
    _, _, report = home.run(binary, *command, before=fake(10**8))
    started = datetime.fromisoformat(json.loads(report)["started_at"]).timestamp()
    return abs(started - time.time() - 10**8) < 3600
