"""Phone error rate: pocketsphinx's phone loop against the pronunciations of the transcript.

The recogniser is :mod:`benchmarks.metrics.asr`'s with a loop of phones and their language model in place of words (Lee and
Hon 1989, *Speaker-independent phone recognition using hidden Markov models*), so that no vocabulary mends what was not
heard. The wanted phones are those of pocketsphinx's edition of the CMU Pronouncing Dictionary, without stress:

- Of a word's listed pronunciations the one nearest to what was heard counts, as alternatives do in NIST's ``sclite``; the
  number of reference phones is that of the first listed, the same for every system.
- What stands in place of a word that is not listed (names, archaic forms: 32 of the 1892 in 100 utterances of LibriSpeech
  test-other) is not scored: any phones, or none, are right there.
- Silence and noise are left out.

Like the words, these phones come from a weak recogniser: read the rate beside the original's, never alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.metrics import asr, text
from benchmarks.waveform import FloatArray

PACKAGES = asr.PACKAGES


@lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    # The beams and the language weight are those that CMU Sphinx's documentation gives for phone decoding.
    loop = {"allphone": str(_model() / "en-us-phone.lm.bin"), "lm": None, "dict": None, "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}
    return Decoder(hmm=str(_model() / "en-us"), samprate=16000, cmn="batch", loglevel="FATAL", **loop)


def _model() -> Path:
    from pocketsphinx import get_model_path

    return Path(get_model_path("en-us"))


def recognise(waveform: FloatArray) -> str:
    """The phones heard, parted by spaces, without silence and noise."""
    decoder = _decoder()
    asr.listen(decoder, waveform)
    return " ".join(each.word for each in decoder.seg() or () if each.word.isalpha() and each.word != "SIL")


@lru_cache(maxsize=1)
def dictionary() -> dict[str, list[list[str]]]:
    """Every listed word in lower case -> its pronunciations, the usual one first."""
    words: dict[str, list[list[str]]] = defaultdict(list)
    for line in (_model() / "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        # Further pronunciations are listed as word(2), word(3) and so on.
        words[word.partition("(")[0] or word].append(phones)
    return dict(words)


def errors(transcript: str, heard: str) -> tuple[int, int]:
    """``(errors, reference phones)`` of :func:`recognise`'s result against a transcript."""
    phones = heard.split()
    row, count = list(range(len(phones) + 1)), 0
    for word in text.normalise(transcript).lower().split():
        ways = dictionary().get(word)
        if ways is None:
            row = list(accumulate(row, min))
            continue
        row = [min(costs) for costs in zip(*(_spoken(row, way, phones) for way in ways), strict=True)]
        count += len(ways[0])
    return row[-1], count


def _spoken(row: list[int], way: Sequence[str], phones: Sequence[str]) -> list[int]:
    for phone in way:
        row = text.extend(row, phone, phones)
    return row
