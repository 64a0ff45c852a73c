"""A corpus of Parquet shards in Hugging Face's datasets: python examples/load_dataset.py CORPUS

CORPUS is what ``unitcodec corpus MANIFEST -o CORPUS`` has written. Reading it needs neither the codec nor its networks.
"""

import sys
from pathlib import Path
from typing import Any

import datasets

import bitstream


def load(corpus: str | Path, streaming: bool = False) -> Any:
    """Rows with id, path, stream, num_samples, duration, bits, model, speaker, transcript and metadata."""
    shards = str(Path(corpus, "data", "train-*.parquet"))
    return datasets.load_dataset("parquet", data_files={"train": shards}, split="train", streaming=streaming)


def units(row: dict[str, Any]) -> dict[str, Any]:
    """What a row's stream says: units (frames, rows), F0 codes, the speaker's fields."""
    codes = bitstream.unpack(row["stream"])
    return {"units": codes.units.T, "f0": codes.f0, "voice": codes.speaker}


def main(corpus: str) -> None:
    dataset = load(corpus).map(units, remove_columns=["stream"])
    print(dataset)
    for row in load(corpus, streaming=True).map(units):  # nothing is kept on disk
        print(
            row["id"], f"{row['duration']:.2f} s,", len(row["stream"]), "bytes,", len(row["units"]), "frames:", row["transcript"]
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
