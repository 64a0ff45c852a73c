"""Units without an encoder: their alphabet is known, and whoever would listen is told what to do."""

from __future__ import annotations

import pytest
import torch

from unitcodec.content import make_content
from unitcodec.errors import ModelError


def test_what_is_known() -> None:
    content = make_content("units", stride=2, vocabulary=[100])
    assert (content.stride, content.vocabulary) == (2, (100,))


def test_nothing_can_be_heard() -> None:
    content = make_content("units", stride=2, vocabulary=[100])
    for ask in (content.distances, content.encode, content.quantize, content.values):
        with pytest.raises(ModelError, match=r"decodes only.*--content") as caught:
            ask(torch.zeros(1, 320))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="decodes only"):
        print(content.context)


@pytest.mark.parametrize("stride", [0, 3, 16, -2])
def test_rates_of_which_no_whole_number_goes_into_an_f0_code(stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        make_content("units", stride=stride, vocabulary=[100])
