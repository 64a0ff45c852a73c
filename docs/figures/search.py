"""search.csv -> search.svg: characters misheard against bits of units (docs/experiments/rate-and-units.md)."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "search"
import matplotlib.pyplot as plt  # noqa: E402

here = Path(__file__).parent
families: dict[str, list[dict[str, str]]] = defaultdict(list)
with open(here / "search.csv", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        families[row["family"]].append(row)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (family, rows), marker in zip(families.items(), itertools.cycle("os^Dvx"), strict=False):
    x, y, error = ([float(row[key]) for row in rows] for key in ("units_bps", "cer", "cer_95"))
    axes.errorbar(x, y, error, label=family, marker=marker, linestyle="", capsize=2, linewidth=0.7)
    for row in rows:
        axes.annotate(row["code"], (float(row["units_bps"]), float(row["cer"])), (4, 4), textcoords="offset points", fontsize=6)
axes.set_xlabel("units, bit/s")
axes.set_ylabel("CER and its 95 % interval (original: .357)")
axes.grid(alpha=0.3)
axes.legend(fontsize=8)
figure.savefig(here / "search.svg", metadata={"Date": None})
