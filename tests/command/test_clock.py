"""Times as people write them."""

from __future__ import annotations

import click
import pytest

from unitcodec.command.clock import clock, length, seconds

PARAMETER = click.Option(["--start"])
CONTEXT = click.Context(click.Command("decode"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("12.5", 12.5), ("750", 750), ("12:30", 750), ("1:02:03.5", 3723.5), ("90:00", 5400), ("0:00:00", 0), ("7.", 7)],
)
def test_times(text: str, expected: float) -> None:
    assert seconds(CONTEXT, PARAMETER, text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1:2", "1:60", "1:60:00", "1:2:03", "::", ":30", "nan", "inf", "1e3", "٣", "12h"])
def test_no_times(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time; write seconds, minutes:seconds or hours:minutes:seconds"):
        seconds(CONTEXT, PARAMETER, text)


def test_lengths() -> None:
    assert length(CONTEXT, PARAMETER, "0.5") == 0.5
    assert length(CONTEXT, PARAMETER, None) is None
    for text in ("0", "0:00", "0.00001"):
        with pytest.raises(click.BadParameter, match="is nothing at all; give a time above 0"):
            length(CONTEXT, PARAMETER, text)


def test_clock() -> None:
    assert [clock(time) for time in (0, 59.994, 59.999, 3723.456, 360000)] == [
        "00:00:00.00",
        "00:00:59.99",
        "00:01:00.00",
        "01:02:03.46",
        "100:00:00.00",
    ]
