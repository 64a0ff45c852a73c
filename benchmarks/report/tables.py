"""The measurements as Markdown tables, for the terminal, the page and the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import cost, score
from benchmarks.difference import difference
from benchmarks.peers import PEERS
from benchmarks.quality import left_out
from benchmarks.report import measures

_MAIN = ("bps", "wer", "dwer", "cer", "sim", "eer", "dnsmos", "vde", "gpe", "ffe", "ffe_yaapt", "estoi", "pesq", "mel_db")
_PAIRED = ("wer", "dwer", "cer", "sim", "dnsmos", "ffe", "ffe_yaapt")


def quality(results: dict[str, Any], keys: Sequence[str] = _MAIN, intervals: bool = True, gaps: bool = True) -> str:
    """One line a system of results.json, half the 95 % interval's width behind each figure; gaps say why.

    An arrow at each figure's title says which way is better; below the table a line gives the units. A figure that no system
    has gets no column; the error rates of a further recogniser always have theirs.
    """
    systems = results["systems"].values()
    metrics = _columns(results, keys)
    if not metrics:
        metrics = [metric for metric in score.METRICS if metric.key == "bps"]
    lines = ["| system | " + " | ".join(map(measures.headed, metrics)) + " |", "|---" * (len(metrics) + 1) + "|"]
    for system in systems:
        if "gap" not in system:
            lines.append(
                f"| {_inert(system['title'])} | " + " | ".join(_cell(system, metric, intervals) for metric in metrics) + " |"
            )
        elif gaps:
            lines.append(f"| {_inert(system['title'])} | gap: {_inert(system['gap'])} |" + " |" * (len(metrics) - 1))
    spread = " ± is half a 95 % bootstrap interval over the utterances." if intervals else ""
    return "\n".join([*lines, "", measures.explained(metrics) + spread])


def _columns(results: dict[str, Any], keys: Sequence[str]) -> list[score.Metric]:
    """The metrics of these keys, and those of further recognisers, that some system has."""
    systems = results["systems"].values()
    known = {metric.key for metric in score.METRICS}
    every = {metric.key: metric for system in systems for metric in score.metrics(system)}
    return [
        metric
        for metric in every.values()
        if metric.key not in known or (metric.key in keys and any(system.get(metric.key) is not None for system in systems))
    ]


def absent(results: dict[str, Any]) -> str:
    """The built-in systems that nobody asked for in this run or an earlier one in the same folder; empty where all are there."""
    titles = [PEERS[name].title if name in PEERS else name for name in left_out(results["systems"])]
    return f"Not in this run: {', '.join(titles)}." if titles else ""


def further(results: dict[str, Any]) -> str:
    """The figures that :func:`quality` leaves out; empty where no system has one. Systems that are gaps are not told again."""
    keys = [metric.key for metric in score.METRICS if metric.key not in _MAIN]
    return quality(results, keys, gaps=False) if _columns(results, keys) else ""


def judge_gaps(results: dict[str, Any]) -> str:
    """Judges that were not there, one a line; empty if all were."""
    gaps = {name: reason for system in results["systems"].values() for name, reason in system.get("gaps", {}).items()}
    return "\n".join(f"gap: {name}, {reason}" for name, reason in gaps.items())


def paired(results: dict[str, Any], baseline: str) -> str:
    """Every system less the baseline: a paired bootstrap over utterances, 95 % interval, two-sided p."""
    base = results["systems"].get(baseline)
    if base is None:
        return f"No paired test: {baseline} is not in this run."
    if "gap" in base:
        return f"gap: no paired test against {baseline}: {base['gap']}"
    metrics = [metric for metric in score.METRICS if metric.key in _PAIRED and base.get(metric.key) is not None]
    if not metrics:
        return f"No paired test: no figure of {baseline} was judged."
    lines = [f"| less {base['title']} | " + " | ".join(map(measures.headed, metrics)) + " |"]
    lines.append("|---" * (len(metrics) + 1) + "|")
    for name, system in results["systems"].items():
        if name == baseline or "gap" in system:
            continue
        cells = []
        for metric in metrics:
            found = difference(base, system, metric.key)
            if found is None:
                cells.append("-")
                continue
            p = "" if found.p is None else f", p {'< 0.001' if found.p < 0.001 else f'{found.p:.3f}'}"
            digits = metric.digits
            bounds = "-" if found.low is None else f"[{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
            cells.append(f"{found.after - found.before:+.{digits}f} {bounds}{p}")
        lines.append(f"| {_inert(system['title'])} | " + " | ".join(cells) + " |")
    told = (
        " Each cell: difference, [95 % interval], two-sided p of a paired bootstrap over the utterances; "
        "p is at least 2 to the power of 1 - n for n utterances, and one alone has no interval, -."
    )
    return "\n".join([*lines, "", measures.explained(metrics) + told])


def legend() -> str:
    """What each figure is, its unit, and which way is better."""
    rows = [
        f"| {metric.title} | {metric.description} | {measures.unit(metric)} | {metric.better or ''} |" for metric in score.METRICS
    ]
    return "\n".join(["| figure | what it is | unit | better |", "|---|---|---|---|", *rows])


def counted(results: dict[str, Any]) -> str:
    """What the bits of each system are."""
    rows = [
        f"| {_inert(system['title'])} | {_inert(system['counted'])} |"
        for system in results["systems"].values()
        if system.get("counted")
    ]
    return "\n".join(["| system | its bits are |", "|---|---|", *rows]) if rows else ""


def _inert(text: str) -> str:
    """No end of a table's cell."""
    return text.replace("|", "/")


def _cell(system: dict[str, Any], metric: score.Metric, intervals: bool) -> str:
    if system.get(metric.key) is None:
        return "-"
    cell = f"{system[metric.key]:.{metric.digits}f}"
    if not intervals or f"{metric.key}_95" not in system:
        return cell
    bounds = system[f"{metric.key}_95"]
    return f"{cell} ± -" if bounds is None else f"{cell} ± {(bounds[1] - bounds[0]) / 2:.{metric.digits}f}"


def bitrate(measured: dict[str, Any]) -> str:
    """The rate of whole files, what it is made of, and what general compressors make of the same codes."""
    rates, coder = measured["bps"], measured["entropy_coder"]["all"]
    lines = ["| rate | bit/s ↓ |", "|---|---|", f"| all files, {measured['seconds']:.0f} s of speech | {rates['pooled']:.1f} |"]
    if rates["utterances"]:
        title = f"{rates['utterances']} files of 5 s and more: least, median, most"
        lines.append(f"| {title} | {rates['min']:.1f}, {rates['median']:.1f}, {rates['max']:.1f} |")
    lines += [f"| of these {name} | {rate:.1f} |" for name, rate in measured["streams_bps"].items()]
    lines.append(f"| codes at fixed length / as range-coded | {coder['fixed_bps']:.1f} / {coder['coded_bps']:.1f} |")
    for name, each in measured["compressors"].items():
        lines.append(f"| codes by {name}, file by file / all at once | {each['files_bps']:.1f} / {each['corpus_bps']:.1f} |")
    lines += [f"| a file of {each['seconds']:.0f} s | {each['bps']:.1f} |" for each in measured["by_duration"]]
    beside = ["", compared(measured["rates"])] if "rates" in measured else []
    return "\n".join([*lines, *beside, "", "↓ lower is better."])


def compared(measured: dict[str, Any]) -> str:
    """Bits, and in brackets bit/s, of a few durations for every system; what is counted, and what the count leaves out."""
    seconds = measured["seconds"]
    head = "".join(f" {each} s: bits (bit/s) ↓ |" for each in seconds)
    lines = [f"| system |{head} counted | left out |", "|---" * (len(seconds) + 3) + "|"]
    for row in measured["systems"]:
        cells = [
            f" {bits} ({bits / each:.0f}) |" if bits is not None else " - |"
            for bits, each in zip(row["bits"], seconds, strict=True)
        ]
        counted = f"gap: {row['gap']}" if "gap" in row else row["counted"]
        lines.append(f"| {_inert(row['title'])} |{''.join(cells)} {_inert(counted)} | {_inert(row['left_out'])} |")
    short = {i for row in measured["systems"] if "gap" not in row for i, bits in enumerate(row["bits"]) if bits is None}
    if short:
        durations = " and ".join(f"{seconds[i]} s" for i in sorted(short))
        lines += [
            "",
            f"No figure under {durations}: the recordings are shorter, all together; the bits there depend on what is said.",
        ]
    return "\n".join(lines)


def speed(measured: dict[str, Any]) -> str:
    """Times real time of every case and peer; seconds and peak memory of the command against duration."""
    lines = ["| case | times real time ↑ | time / yardstick ↓ |", "|---|---|---|"]
    for case in [*measured["cases"], *measured["peers"]]:
        name = case["name"] + (f" ({case['note']})" if case.get("note") else "")
        figures = f"gap: {case['gap']} |" if "gap" in case else f"{case['times_real_time']:.1f} | {case['per_yardstick']:.3g}"
        lines.append(f"| {name} | {figures} |")
    lines.append(
        "\n| duration, s | encode, s ↓ | decode, s ↓ | encode, MiB ↓ | decode, MiB ↓ | bit/s ↓ |\n|---|---|---|---|---|---|"
    )
    for row in measured.get("cost", []):
        cells = [
            f"{row[way][key]:.{digits}f}" for key, digits in (("seconds", 1), ("peak_rss_mib", 0)) for way in ("encode", "decode")
        ]
        lines.append(f"| {row['duration']} | {' | '.join(cells)} | {row['bps']:.1f} |")
    lines.append("\n↓ lower is better, ↑ higher is better. s: seconds of the whole command; MiB: its peak memory.")
    slopes = {way: cost.slope(measured.get("cost", []), way) for way in ("encode", "decode")}
    lines += [f"\n{way}: {slope:+.1f} MiB an hour of speech" for way, slope in slopes.items() if slope is not None]
    return "\n".join(lines)
