"""Recordings -> a corpus of units for a speech language model: python examples/corpus.py SHARD.tar RECORDING...

A shard has WebDataset's layout, so ``webdataset`` and ``datasets.load_dataset("webdataset", data_files=SHARD)`` read it, too. An
hour takes 150 KB, and reading one needs neither the codec nor its networks.
"""

import io
import json
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset

import bitstream
import unitcodec


def write(shard: str | Path, recordings: Iterable[str | Path]) -> None:
    codec = unitcodec.load()
    with tarfile.open(shard, "w") as tar:
        for number, path in enumerate(recordings):
            parts = {"uc": codec.compress(path), "json": json.dumps({"path": str(path)}).encode()}
            for suffix, data in parts.items():
                member = tarfile.TarInfo(f"{number:06}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


class Units(IterableDataset[Tensor]):
    """The utterances of a shard: units (frames, rows), int64."""

    def __init__(self, shard: str | Path):
        self.shard = shard

    def __iter__(self) -> Iterator[Tensor]:
        with tarfile.open(self.shard) as tar:
            for member in tar:
                if member.name.endswith(".uc"):
                    yield torch.tensor(bitstream.unpack(tar.extractfile(member).read()).units.T).long()


def pad(utterances: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Units (B, frames, rows), -1 where an utterance is over, and lengths (B,)."""
    lengths = torch.tensor([len(units) for units in utterances])
    return pad_sequence(utterances, batch_first=True, padding_value=-1), lengths


def main(shard: str, *recordings: str) -> None:
    write(shard, recordings)
    for units, lengths in DataLoader(Units(shard), batch_size=8, collate_fn=pad):
        print(tuple(units.shape), lengths.tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
