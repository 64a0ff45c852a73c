"""A corpus small enough to be trained on in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import save_file

from unitcodec.content.whisper import WhisperEncoder
from unitcodec.training.teacher import PUBLISHED


@pytest.fixture(scope="session")
def manifest(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example cut into the utterances of four "speakers", two of whom say one each."""
    folder = tmp_path_factory.mktemp("manifest")
    wave, rate = soundfile.read(speech)
    lines = ["path\tspeaker\ttranscript"]
    for index, speaker in enumerate("ababcd"):
        name = f'{index} "odd" name.wav'
        soundfile.write(folder / name, wave[index * 20000 : index * 20000 + 19000 + 300 * index], rate)
        lines.append(f"{name}\t{speaker}\tcut {index}")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.tsv"


@pytest.fixture(scope="session")
def published_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout that transformers gives Whisper tiny.en, with random weights."""
    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    weights = {PUBLISHED + name: value.half() for name, value in WhisperEncoder().state_dict().items()}
    weights[PUBLISHED + "embed_positions.weight"] = torch.zeros(1500, 384).half()
    weights["model.decoder.layer_norm.weight"] = torch.ones(384).half()
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def published_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers saves an English Whisper of tiny's width; random weights, one layer, few tokens."""
    transformers = pytest.importorskip("transformers", reason="needs the extra ssl")
    config = transformers.WhisperConfig(
        vocab_size=50363, d_model=384, encoder_layers=1, decoder_layers=1, encoder_attention_heads=6, decoder_attention_heads=6
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("decoder")
    transformers.WhisperForConditionalGeneration(config).save_pretrained(folder)
    return folder
