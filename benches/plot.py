"""Draws what `run` hands over on standard input: a panel for each x axis, a line for each program."""
import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "session-warden"
from matplotlib import pyplot  # noqa: E402  the backend is chosen first

panels = json.load(sys.stdin)
figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 4.5), sharey=True)
for axis, (title, (sizes, lines)) in zip(axes, panels.items()):
    for number, (name, times) in enumerate(lines.items()):
        ours = number == 0
        axis.loglog(sizes, times, marker="o", markersize=3, linewidth=2.5 if ours else 1.2,
                    linestyle="-" if ours else "--", label=name)
    axis.set_xlabel(title)
    axis.grid(True, which="major", alpha=0.3)
axes[0].set_ylabel("ms, whole process")
axes[0].legend(frameon=False, fontsize=8)
figure.tight_layout()
figure.savefig(sys.argv[1], metadata={"Date": None, "Creator": None})
