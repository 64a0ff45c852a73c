"""Errors and warnings: what to catch, and that a warning points at the caller."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

import bitstream  # noqa: F401  # the README's line names it
import unitcodec

if TYPE_CHECKING:
    from unitcodec.codec import Codec

ROOT = Path(__file__).parent.parent
WAVE = np.random.default_rng(0).uniform(-0.3, 0.3, 3000).astype(np.float32)


def stream(codec: Codec) -> None:
    analysis = codec.analysis(5)
    analysis.push(WAVE)
    analysis.finish()


# One line each: the warning is to name it.
MISSED: dict[str, Callable[[Codec], Any]] = {
    "encode": lambda codec: codec.encode(WAVE, 16000, 5),
    "encode, a batch": lambda codec: codec.encode([WAVE], 16000, 5),
    "compress": lambda codec: codec.compress(WAVE, 16000, 5),
    "compress, a batch": lambda codec: codec.compress([WAVE], 16000, 5),
    "encode_blocks": lambda codec: codec.encode_blocks([WAVE], 5),
    "compress_blocks": lambda codec: list(codec.compress_blocks([WAVE], 5)),
}


@pytest.mark.parametrize("way", MISSED)
def test_a_missed_rate_is_told_at_the_callers_line(narrow: Codec, way: str) -> None:
    with pytest.warns(unitcodec.UnitcodecWarning, match="5 bit/s asked for") as caught:
        MISSED[way](narrow)
    assert [(told.filename, told.lineno) for told in caught] == [(__file__, MISSED[way].__code__.co_firstlineno)]


def test_of_a_stream_in_pieces_at_the_line_that_ends_it(narrow: Codec) -> None:
    with pytest.warns(unitcodec.UnitcodecWarning, match="5 bit/s asked for") as caught:
        stream(narrow)
    lines, first = inspect.getsourcelines(stream)
    assert caught[0].lineno == first + len(lines) - 1


def test_what_is_wrong_with_the_audio_too(narrow: Codec, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", 100 * WAVE, 16000, "FLOAT")
    for audio, rate in ((100 * WAVE, 16000), (np.stack([WAVE, -WAVE]), 16000), (tmp_path / "loud.wav", None)):
        with pytest.warns(unitcodec.errors.AudioWarning) as caught:
            narrow.encode(audio, rate)
        assert {told.filename for told in caught} == {__file__}


def test_the_line_that_the_readme_gives_catches_all(narrow: Codec, tmp_path: Path) -> None:
    line = re.search(
        r"^except \(unitcodec\.UnitcodecError, bitstream\.BitstreamError\) as \w+:", (ROOT / "README.md").read_text(), re.M
    )
    assert line is not None
    assert line[0].split(" as ")[0] in str(unitcodec.errors.__doc__)
    (tmp_path / "no.wav").write_bytes(b"nothing")
    for call in (
        lambda: narrow.encode(tmp_path / "no.wav"),
        lambda: narrow.decompress(b"nothing"),
        lambda: narrow.decode(None),
        lambda: unitcodec.load(tmp_path / "gone"),
    ):
        caught: dict[str, Any] = {"call": call, **globals()}
        exec(f"try:\n    call()\n{line[0]}\n    found = True", caught)
        assert caught["found"]


@pytest.mark.parametrize("url", ["https://example.org/talk.wav?dl=1", "s3://bucket/talk.wav", "HTTP://x/y"])
def test_urls_are_called_so(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cure = "URLs are not fetched; download it first, or pipe it: curl -L URL | unitcodec encode - OUT.uc"
    with pytest.raises(unitcodec.AudioError, match=f"^{re.escape(f'{url}: {cure}')}$"):
        unitcodec.audio.open_reader(url)
    (tmp_path / url.partition("/")[0]).mkdir()  # a folder may have such a name
    with pytest.raises(unitcodec.AudioError, match="No such file"):
        unitcodec.audio.open_reader(url)
