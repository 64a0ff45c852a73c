"""Recipes: what they may say, and that nothing else passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unitcodec.errors import UnitcodecError
from unitcodec.training import STAGES
from unitcodec.training.settings import Settings, read_settings
from unitcodec.training.stages import TABLE


def _read(folder: Path, recipe: Any) -> Settings:
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return read_settings(folder / "recipe.json")


def test_a_recipe_says_what_differs(tmp_path: Path) -> None:
    assert read_settings(None) == Settings() == _read(tmp_path, {})
    read = _read(tmp_path, {"content": {"levels": [8, 8], "bits": 250, "rate": 1}, "vocoder": {"generator": {"kind": "hifigan"}}})
    assert (read.content.levels, read.content.bits, read.content.rate) == ((8, 8), 250, 1)
    assert read.vocoder.generator == {"kind": "hifigan"}
    assert read.content.batch == Settings().content.batch
    assert read.joint == Settings().joint


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"pitch": {"steps": 2.5}}, r"pitch\.steps is 2\.5; it must be int"),
        ({"pitch": {"steps": True}}, r"pitch\.steps is true"),
        ({"pitch": {"rate": "0.1"}}, r'pitch\.rate is "0\.1"; it must be float'),
        ({"pitch": {"rate": float("inf")}}, r"pitch\.rate is Infinity"),
        ({"content": {"levels": 8}}, r"content\.levels is 8; it must be tuple"),
        ({"content": {"levels": [8, None]}}, r"content\.levels is \[8, null\]"),
        ({"content": {"bfloat16": 1}}, r"content\.bfloat16 is 1; it must be bool"),
        ({"decoder": {"memory": [1, 2]}}, r"decoder\.memory is \[1, 2\]"),
        ({"cpc": {"negatives_from": "elsewhere"}}, r"cpc\.negatives_from is"),
        ({"vocoder": {"generator": "hifigan"}}, r"vocoder\.generator is"),
        ({"whisper": {"checkpoint": 3}}, r"whisper\.checkpoint is 3"),
        ({"entropy": {"seed": 3}}, "no such setting: entropy seed"),
        ({"encoder": {"steps": -1}}, r"encoder\.steps is -1; it must be at least 0"),
        ({"joint": {"batch": 0}}, r"joint\.batch is 0; it must be at least 1"),
        ({"content": {"seconds": 0.01}}, r"content\.seconds is 0\.01; it must be at least 0\.16"),
        ({"content": {"optimizer": "sgd"}}, r'content\.optimizer is "sgd"; it must be Literal'),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_line(tmp_path: Path, recipe: Any, message: str) -> None:
    with pytest.raises(UnitcodecError, match=message) as caught:
        _read(tmp_path, recipe)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "recipe.json"))


def test_every_stage_stands_in_the_table_in_its_order() -> None:
    assert tuple(TABLE) == STAGES
