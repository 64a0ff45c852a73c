"""Moonshine tiny, English: Jeffries et al. 2024, *Moonshine: Speech Recognition for Live Transcription and Voice Commands*
(arXiv 2410.15608). 27 M parameters, MIT; its authors give 4.5 % WER on LibriSpeech test-clean and about 12 % on test-other.

The weights are files in the package ``moonshine-voice``, which is found and not imported: ONNX Runtime runs them here, on one
thread, so that the same waveform gives the same words. They hold 8-bit integers, whose products a processor without VNNI rounds
otherwise: between two kinds of machine a word may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.waveform import SAMPLE_RATE, FloatArray

PACKAGES = ("onnxruntime",)

WEIGHTS = "moonshine_voice"
"""The package whose files are read."""

TOKENS_PER_SECOND = 6.5
"""Where it does not come to an end, this ends it, as in the authors' code: read speech takes 3.3, and 4.4 at most."""

_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
_BEGIN, _END = 1, 2
_LONGEST_CYCLE = 12
_ROUNDS = 4


def folder() -> Path | None:
    """Where the weights lie; None where they do not."""
    spec = find_spec(WEIGHTS)
    found = [Path(place, "assets", "tiny-en") for place in (spec and spec.submodule_search_locations) or ()]
    return next((each for each in found if all((each / name).is_file() for name in _FILES)), None)


def gap() -> str | None:
    """Why there are no weights; None where there are."""
    if find_spec(WEIGHTS) is None:
        return "not installed: moonshine-voice"
    return None if folder() else f"weights not found: moonshine-voice without assets/tiny-en/ ({', '.join(_FILES)})"


class Moonshine:
    """The recogniser of a folder with the files ``encoder_model.ort``, ``decoder_model_merged.ort`` and ``tokenizer.bin``."""

    def __init__(self, folder: Path):
        encoder, decoder, tokenizer = (folder / name for name in _FILES)
        self._encoder, self._decoder = _session(encoder), _session(decoder)
        self._empty = {
            each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32)
            for each in self._decoder.get_inputs()
            if each.name.startswith("past_key_values")
        }
        self._presents = [each.name.replace("present", "past_key_values") for each in self._decoder.get_outputs()[1:]]
        self._vocabulary = vocabulary(tokenizer.read_bytes())

    def _heard(self, waveform: FloatArray) -> dict[str, Any]:
        """What the decoder is given of a piece ``(T,)``."""
        mask = np.ones((1, len(waveform)), np.int64)
        (states,) = self._encoder.run(None, {"input_values": waveform[None].astype(np.float32), "attention_mask": mask})
        return {"encoder_attention_mask": mask, "encoder_hidden_states": states}

    def surprise(self, waveform: FloatArray, tokens: Sequence[int]) -> NDArray[np.float64]:
        """How improbable the tokens of a transcript and its end are to it, each after those before it, when it hears a piece
        ``(T,)``: ``(tokens + 1,)`` nats."""
        given = {"input_ids": np.array([[_BEGIN, *tokens]]), "use_cache_branch": np.array([False])}
        logits = self._decoder.run(None, {**given, **self._heard(waveform), **self._empty})[0][0].astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        wanted = logits[np.arange(len(tokens) + 1), [*tokens, _END]]
        found: NDArray[np.float64] = np.log(np.exp(logits).sum(1)) - wanted
        return found

    def tokens(self, waveform: FloatArray) -> list[int]:
        """The tokens of a piece ``(T,)`` of at most about 30 s, without the marks of begin and end: greedy decoding."""
        fixed = self._heard(waveform)
        past, found = dict(self._empty), [_BEGIN]
        for step in range(int(len(waveform) / SAMPLE_RATE * TOKENS_PER_SECOND)):
            given = {"input_ids": np.array([[found[-1]]]), "use_cache_branch": np.array([step > 0]), **fixed, **past}
            logits, *presents = self._decoder.run(None, given)
            # What the encoder's states give is computed in the first step and only passed on after it.
            new = zip(self._presents, presents, strict=True)
            past |= {name: value for name, value in new if step == 0 or ".decoder." in name}
            token = int(logits[0, -1].argmax())
            if token == _END:
                break
            found.append(token)
            if cycle := repeated(found[1:]):
                del found[len(found) - cycle * (_ROUNDS - 1) :]
                break
        return found[1:]

    def text(self, tokens: list[int]) -> str:
        """What the tokens spell."""
        spelled = b"".join(self._vocabulary[token] for token in tokens).decode("utf-8", errors="replace")
        return " ".join(spelled.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").split())


def transcribe(waveform: FloatArray) -> str:
    """What Moonshine writes for ``(T,)``, 0.1 to 30 s of speech. Raises FileNotFoundError where :func:`gap` says something."""
    return loaded().text(loaded().tokens(waveform))


@lru_cache(maxsize=1)
def loaded() -> Moonshine:
    """The installed one. Raises FileNotFoundError where :func:`gap` says something."""
    found = folder()
    if found is None:
        raise FileNotFoundError(gap())
    return Moonshine(found)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def vocabulary(data: bytes) -> list[bytes]:
    """The byte strings of a ``tokenizer.bin`` by token.

    Each has its length before it, from 128 on in two bytes: 128 and the low 7 bits, then the rest.

    Raises:
        ValueError: the last string is cut short.
    """
    found, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = length - 128 + 128 * int.from_bytes(data[at : at + 1]), at + 1
        found.append(data[at : at + length])
        at += length
    if at != len(data):
        raise ValueError("tokenizer.bin: cut short")
    return found


def repeated(tokens: list[int]) -> int:
    """The length of the cycle in which the tokens have begun to go round at their end; 0 where they have not.

    It has gone round four times and over at least 12 tokens: nobody says so in a sentence, and nothing else ends it.
    """
    for cycle in range(3, _LONGEST_CYCLE + 1):
        tail = tokens[-_ROUNDS * cycle :]
        if len(tail) == _ROUNDS * cycle and tail == tail[:cycle] * _ROUNDS:
            return cycle
    return 0
