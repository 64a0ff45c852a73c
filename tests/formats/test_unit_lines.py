"""Lines of unit lists as others write them."""

from __future__ import annotations

import pytest

from unitcodec.formats.unit_lines import LineReader, read_dictionary


@pytest.mark.parametrize(
    ("line", "units", "audio"),
    [
        ("{'audio': 'a.wav', 'hubert': '71 71 12', 'duration': 0.06}", [71, 71, 12], "a.wav"),
        ('{"audio": "a.wav", "hubert": "71 71 12", "duration": 0.06}', [71, 71, 12], "a.wav"),
        ("{'audio': 'a.wav', 'speaker': '10', 'cpc_km100': '17 72'}", [17, 72], "a.wav"),
        ("{'speaker': '1 2 3', 'units': '5'}", [5], None),
        # In speech-resynthesis' own order.
        ("{'hubert': '1 1 1', 'vqvae256': '2 2', 'cpc_km100': '3'}", [3], None),
        ("{'hubert': '1 1 1', 'vqvae256': '2 2'}", [2, 2], None),
        # Under a name that nobody knows.
        ("{'spk': '1 2 3', 'src_n_frames': '99999', 'n': '7', 'mhubert_1000': '4  5 '}", [4, 5], None),
        ("{'audio': '12', 'mhubert': '4'}", [4], "12"),
        ('{"hubert": [4, 5], "speaker": "10"}', [4, 5], None),
        ("a|3 3 4", [3, 3, 4], "a"),
        ("a|b.wav|3\r\n", [3], "a|b.wav"),
        ("\ufeffa|3", [3], "a"),
        ("\ufeff{'hubert': '3'}", [3], None),
    ],
)
def test_lines(line: str, units: list[int], audio: str | None) -> None:
    values = LineReader().read(line.encode())
    assert values is not None
    assert (values["units"], values.get("audio")) == (units, audio)


def test_a_bad_line_is_no_names_of_columns() -> None:
    reader = LineReader()
    with pytest.raises(ValueError, match="no JSON object"):
        reader.read(b"rubbish")
    assert reader.read(b"a|3") == {"units": [3], "audio": "a"}


def test_columns() -> None:
    reader = LineReader()
    assert reader.read(b"id\tsrc_audio\tsrc_n_frames\ttgt_audio\ttgt_n_frames\n") is None
    assert reader.read(b"10\ta.zip:1:2\t2351\t3 3 4\t3\n") == {"units": [3, 3, 4], "audio": "10"}
    assert reader.read(b"\n") is None
    assert reader.read(b"11\ta.zip:1:2\t2351\t5\t1") == {"units": [5], "audio": "11"}
    with pytest.raises(ValueError, match="2 columns; the first line names 5"):
        reader.read(b"12\t3 3")


def test_what_ours_hold_stays() -> None:
    values = {"units": [3], "speaker": [1, 2], "f0": [7], "model": "79ef12ab", "what": "ever"}
    assert read_dictionary(str(values)) == values
    assert read_dictionary('{"units": "3 4", "durations": [1, 2], "speaker": "9"}') == {
        "units": [3, 4],
        "durations": [1, 2],
        "audio": None,
    }


@pytest.mark.parametrize(
    "line",
    ["rubbish", "3", "1 2 3", "a|b", "|3", "a|-3", "a\tb", "path\tspeaker", "[1]", "{3}", "{'a': open('x')}", "{", "(" * 5000],
)
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"no JSON object|not a JSON object"):
        LineReader().read(line.encode())
    with pytest.raises(ValueError, match="not UTF-8 text"):
        LineReader().read(b"\xff" + line.encode())
