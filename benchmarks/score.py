"""Utterances -> one system's figures. Error rates are pooled: errors over all utterances by references over all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.corpus import Utterance
from benchmarks.metrics import bootstrap, eer, speaker, text
from benchmarks.metrics.bootstrap import Array
from benchmarks.metrics.pitch import PitchErrors

Row = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """A figure of a system: its key, its title in a table, the digits worth printing, which way is better, and what it is."""

    key: str
    title: str
    digits: int
    better: Literal["lower", "higher"] | None
    description: str


METRICS = (
    Metric("bps", "bit/s", 0, "lower", "bits of the coded speech over its seconds; what they count differs, see there"),
    Metric("wer", "WER", 3, "lower", "word error rate of a recogniser against the transcript"),
    Metric("dwer", "dWER", 3, "lower", "word error rate against what the same recogniser makes of the original"),
    Metric("cer", "CER", 3, "lower", "character error rate of a recogniser against the transcript"),
    Metric("dcer", "dCER", 3, "lower", "character error rate against what the same recogniser makes of the original"),
    Metric("sim", "SIM", 3, "higher", "speaker similarity: cosine to the d-vector of the wanted voice's recording"),
    Metric("eer", "EER", 3, "lower", "equal error rate of telling by d-vectors whether the wanted speaker speaks"),
    Metric("converted", "converted", 3, "higher", "share of converted utterances nearer to the wanted voice than to the own"),
    Metric("dnsmos", "DNSMOS", 2, "higher", "predicted overall opinion, 1 to 5; kind to clean narrow-band speech"),
    Metric("utmos", "UTMOS", 2, "higher", "predicted naturalness, 1 to 5"),
    Metric("distillmos", "Distill-MOS", 2, "higher", "predicted quality, 1 to 5"),
    Metric("nisqa", "NISQA", 2, "higher", "predicted quality, 1 to 5"),
    Metric("vde", "VDE", 3, "lower", "voicing decision error: frames voiced on one side only, by swift-f0"),
    Metric("gpe", "GPE", 3, "lower", "gross pitch error: F0 off by more than 20 % where both are voiced, by swift-f0"),
    Metric("ffe", "FFE", 3, "lower", "F0 frame error: either of the two, by swift-f0, which is also unitcodec's own tracker"),
    Metric("logf0_rmse", "log-F0 RMSE", 3, "lower", "RMSE of the natural logarithm of F0 where both are voiced, by swift-f0"),
    Metric("logf0_corr", "log-F0 r", 3, "higher", "correlation of log F0 within utterances where both are voiced, by swift-f0"),
    Metric("vde_yaapt", "VDE, YAAPT", 3, "lower", "voicing decision error by YAAPT"),
    Metric("gpe_yaapt", "GPE, YAAPT", 3, "lower", "gross pitch error by YAAPT"),
    Metric("ffe_yaapt", "FFE, YAAPT", 3, "lower", "F0 frame error by YAAPT"),
    Metric("estoi", "ESTOI", 3, "higher", "intelligibility from the waveform's likeness; hardly meaningful for vocoders"),
    Metric("pesq", "PESQ", 2, "higher", "wide-band PESQ, 1 to 4.64; hardly meaningful for vocoders"),
    Metric("mel_db", "mel, dB", 1, "lower", "mean absolute log-mel difference, gain and pauses included"),
    Metric("loudness_max_abs_lu", "max LU", 1, "lower", "loudness error of the worst utterance"),
)


WORDS = {metric.key: metric.title for metric in METRICS if metric.key.endswith(("wer", "cer"))}
"""The error rates of a recogniser, and their titles. Those of a further one have ``_`` and its name behind the key."""


def metrics(figures: Mapping[str, Any]) -> tuple[Metric, ...]:
    """:data:`METRICS` and, behind them, the error rates by any further recogniser that a system's figures hold."""
    further = []
    for key in figures:
        rate, _, name = key.partition("_")
        if rate in WORDS and name and not key.endswith("_95"):
            further.append(Metric(key, f"{WORDS[rate]}, {name}", 3, "lower", f"{WORDS[rate]} of another recogniser"))
    return METRICS + tuple(further)


OF_SPEECH = ("sim", "converted", "estoi", "pesq")
"""The figures that an original without speech does not have; there they are of the rest."""

COUNTED = {"wer": "words", "dwer": "dwords", "cer": "characters", "dcer": "dcharacters"}
"""An error rate -> the key of a row's pair, errors and references, which it pools."""


def row(
    utterance: Utterance,
    seconds: float,
    bits: int | None,
    sample_difference: int,
    judged: Mapping[str, Any],
    original: Mapping[str, Any] | None,
) -> Row:
    """One utterance's figures from what the judges said; a judge that was not there, or had no transcript, leaves None.

    Args:
        sample_difference: decoded less original length, in samples.
        original: what the judges said of the original recording.

    ``sim`` and ``converted`` stay None until :func:`figures` has the other recordings. ``target`` is None; who converts voices
    names there the utterance whose voice was wanted.
    """
    hypothesis, said = judged.get("asr"), utterance.transcript or None
    result: Row = {
        "utterance": utterance.name,
        "target": None,
        "seconds": seconds,
        "bits": bits,
        "sample_difference": sample_difference,
        "hypothesis": None if hypothesis is None else text.normalise(hypothesis),
        **_word_errors(said, hypothesis),
        **_word_errors((original or {}).get("asr"), hypothesis, "d"),
        "sim": None,
        "converted": None,
        "embedding": judged.get("speaker"),
        "loudness_lu": judged.get("loudness"),
    }
    for name in ("dnsmos", "utmos", "distillmos", "nisqa", "f0", "f0_yaapt", "estoi", "pesq", "mel_db"):
        result[name] = judged.get(name)
    for name in judged:
        if name.startswith("asr_"):
            suffix = name.removeprefix("asr")
            result |= _word_errors(said, judged[name], suffix=suffix)
            result |= _word_errors((original or {}).get(name), judged[name], "d", suffix)
    return result


def _word_errors(reference: str | None, hypothesis: str | None, prefix: str = "", suffix: str = "") -> Row:
    """``prefix`` "d" says that the reference is what was recognised in the original."""
    errors: tuple[Any, Any] = (None, None)
    if reference is not None and hypothesis is not None:
        errors = text.character_errors(reference, hypothesis), text.word_errors(reference, hypothesis)
    return {f"{prefix}characters{suffix}": errors[0], f"{prefix}words{suffix}": errors[1]}


def public(row: Row) -> Row:
    """The row without what is only for :func:`figures`."""
    return {key: value for key, value in row.items() if key != "embedding"}


def figures(rows: Sequence[Row], speakers: Mapping[str, str], references: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A system's figures, each with its 95 % bootstrap interval over utterances under the same key and ``_95``.

    None where the judge or the bits are missing, or nothing can be said (no voiced frame, one speaker). ``sim`` is filled in
    in each row, and ``converted`` of each conversion. EER leaves a silent original out, as those of :data:`OF_SPEECH` do.

    Args:
        speakers: utterance name -> speaker.
        references: utterance name -> embedding of the original recording, zeros where that is silent.
    """
    result: dict[str, Any] = {"utterances": len(rows), "seconds": sum(row["seconds"] for row in rows)}
    ones = [1.0] * len(rows)

    def put(key: str, figure: Callable[..., Array], *columns: Sequence[Any]) -> None:
        """The figure of the columns' sums; None where a column has a gap or the denominator, the last column, is 0."""
        known = bool(rows) and all(None not in column for column in columns) and sum(columns[-1]) > 0
        result[key] = float(figure(*(np.sum(column, dtype=np.float64) for column in columns))) if known else None
        result[f"{key}_95"] = bootstrap.interval_of(figure, *columns) if known else None

    put("bps", bootstrap.ratio, _column(rows, "bits"), _column(rows, "seconds"))
    suffixes = [key.removeprefix("words") for key in (rows[0] if rows else ("words",)) if key.startswith("words")]
    for key, name in [(rate + end, counted + end) for end in suffixes for rate, counted in COUNTED.items()]:
        pairs = [row.get(name) or (None, None) for row in rows]
        put(key, bootstrap.ratio, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    voiced = [row for row in rows if not _silent(row, references)]
    for row in voiced:
        row["sim"] = _similarity(row, references.get(row["target"] or row["utterance"]))
        own = _similarity(row, references.get(row["utterance"])) if row["target"] else None
        row["converted"] = None if own is None or row["sim"] is None else float(row["sim"] > own)
    for key in ("sim", "converted"):
        put(key, bootstrap.ratio, _column(voiced, key), ones[: len(voiced)])
    for key in ("dnsmos", "utmos", "distillmos", "nisqa", "mel_db"):
        put(key, bootstrap.ratio, _column(rows, key), ones)
    for key in ("estoi", "pesq"):
        values = [row[key] for row in rows if row[key] is not None]
        put(key, bootstrap.ratio, values, ones[: len(values)])
    result["eer"], result["eer_95"] = _equal_error_rate(voiced, speakers, references) or (None, None)
    for key, suffix in (("f0", ""), ("f0_yaapt", "_yaapt")):
        errors = [pitch_errors(row, key) for row in rows]
        for name, figure, *columns in _PITCH:
            put(name + suffix, figure, *([each and getattr(each, column) for each in errors] for column in columns))
    levels = _column(rows, "loudness_lu")
    result["loudness_max_abs_lu"] = None if None in levels or not rows else max(abs(level) for level in levels)
    result["lengths_equal"] = all(row["sample_difference"] == 0 for row in rows)
    return result


def _silent(row: Row, references: Mapping[str, Sequence[float]]) -> bool:
    """Whether the original or the recording of the wanted voice is silence, which is nobody's voice."""
    names = {row["utterance"], row["target"] or row["utterance"]}
    return any(name in references and not np.any(references[name]) for name in names)


def _similarity(row: Row, reference: Sequence[float] | None) -> float | None:
    if reference is None or row["embedding"] is None:
        return None
    return speaker.cosine(np.asarray(row["embedding"]), np.asarray(reference))


def _column(rows: Sequence[Row], key: str) -> list[Any]:
    return [row[key] for row in rows]


def _root(numerator: Array, denominator: Array) -> Array:
    return np.sqrt(bootstrap.ratio(numerator, denominator))


def _correlation(both: Array, one: Array, other: Array) -> Array:
    return bootstrap.ratio(both, np.sqrt(one * other))


_PITCH: tuple[tuple[Any, ...], ...] = (
    ("vde", bootstrap.ratio, "voicing_errors", "frames"),
    ("gpe", bootstrap.ratio, "gross_errors", "both_voiced"),
    ("ffe", bootstrap.ratio, "errors", "frames"),
    ("logf0_rmse", _root, "squared", "both_voiced"),
    ("logf0_corr", _correlation, "spread_both", "spread_reference", "spread_decoded"),
)


def pitch_errors(row: Row, key: str) -> PitchErrors | None:
    """The counts of a row; where another's voice was wanted, with the decoded track scaled to the reference's median F0."""
    if row.get(key) is None:
        return None
    errors = PitchErrors(**row[key])
    return errors if row.get("target") is None else errors.scaled()


def _equal_error_rate(
    rows: Sequence[Row], speakers: Mapping[str, str], references: Mapping[str, Sequence[float]]
) -> tuple[float, tuple[float, float]] | None:
    """Every row's speech against every original but its own and its target's: is the wanted speaker the one who spoke there?"""
    if not rows or not references or any(row["embedding"] is None for row in rows):
        return None
    references = {name: embedding for name, embedding in references.items() if np.any(embedding)}
    names = np.array(list(references))
    probes, known = (np.asarray(list(each), np.float64) for each in (_column(rows, "embedding"), references.values()))
    scores = (probes @ known.T) / np.maximum(np.linalg.norm(probes, axis=1)[:, None] * np.linalg.norm(known, axis=1), 1e-12)
    wanted = np.array([speakers[row["target"] or row["utterance"]] for row in rows])[:, None]
    alike = wanted == np.array([speakers[name] for name in names])
    own = (np.array(_column(rows, "utterance"))[:, None] == names) | (
        np.array([row["target"] or "" for row in rows])[:, None] == names
    )
    return eer.equal_error_rate(scores, alike & ~own, ~alike & ~own)
