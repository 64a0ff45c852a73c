"""A Lhotse recipe: python examples/lhotse_recipe.py RECORDINGS.jsonl.gz SUPERVISIONS.jsonl.gz CORPUS

Codes the recordings of two Lhotse manifests into CORPUS. ``read_cuts(CORPUS)`` then gives a cut a recording, with its units, 25 a
second, as ``cut.units``: ``cut.load_units()`` is (frames, rows), of whole frames. Reading needs neither the codec nor its
networks.
"""

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from lhotse import CutSet, MonoCut, RecordingSet, SupervisionSegment, SupervisionSet

import bitstream
from unitcodec.command import main as unitcodec


def write_manifest(recordings: RecordingSet, supervisions: SupervisionSet, path: Path) -> None:
    """A manifest for ``unitcodec corpus``."""
    said = {each.recording_id: each for each in supervisions}
    with path.open("w") as file:
        for recording in recordings:
            row = {"id": recording.id, "path": str(Path(recording.sources[0].source).absolute())}
            if (each := said.get(recording.id)) is not None:
                row |= {"speaker": each.speaker, "transcript": each.text}
            file.write(json.dumps(row) + "\n")


def read_cuts(corpus: Path) -> CutSet:
    """A cut for each recording of a corpus of tars."""
    return CutSet.from_cuts(_cuts(corpus))


def _cuts(corpus: Path) -> Iterator[MonoCut]:
    for shard in sorted(corpus.glob("data/*.tar")):
        with tarfile.open(shard) as tar:
            while (stream := tar.next()) is not None and (facts := tar.next()) is not None:
                codes, about = bitstream.unpack(tar.extractfile(stream).read()), json.loads(tar.extractfile(facts).read())
                supervision = SupervisionSegment(
                    id=about["id"],
                    recording_id=about["id"],
                    start=0.0,
                    duration=about["duration"],
                    speaker=about["speaker"],
                    text=about["transcript"],
                )
                cut = MonoCut(about["id"], start=0.0, duration=about["duration"], channel=0, supervisions=[supervision])
                yield cut.attach_tensor("units", codes.units.T, frame_shift=0.04, temporal_dim=0)


def main(recordings: str, supervisions: str, corpus: str, *options: str) -> None:
    folder = Path(corpus)
    manifest = folder.with_name(folder.name + ".jsonl")
    write_manifest(RecordingSet.from_file(recordings), SupervisionSet.from_file(supervisions), manifest)
    if unitcodec(["corpus", str(manifest), "-o", corpus, "--format", "tar", *options]):
        print(f"some could not be coded: see {folder / 'failures.jsonl'}", file=sys.stderr)
    for cut in read_cuts(folder):
        print(cut.id, f"{cut.duration:.2f} s,", cut.load_units().shape, cut.supervisions[0].text)


if __name__ == "__main__":
    main(*sys.argv[1:])
