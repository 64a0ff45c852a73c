"""A local Ray cluster of two nodes, one of which is lost while it works: the corpus is complete, and nothing is there twice."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from unitcodec.corpus.encode import Summary, encode_slice
from unitcodec.corpus.plan import Plan, digest, slices_of
from unitcodec.corpus.recordings import read_folder
from unitcodec.corpus.store import Store
from unitcodec.corpus.summary import summarize
from unitcodec.errors import ModelError

if TYPE_CHECKING:
    from unitcodec.codec import Codec

pytestmark = pytest.mark.slow
SLICES = 24


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with one processor each, in processes of their own; connected."""
    # On a busy machine Ray's own processes take long to start.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    os.environ.setdefault("RAY_agent_register_timeout_ms", "300000")
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    pytest.importorskip("ray.data")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=found.address, log_to_driver=False)
    found.add_node(num_cpus=1)
    found.wait_for_nodes()
    yield found
    ray.shutdown()
    found.shutdown()


def plan_of(folder: Path, out: Path, model: Path, fingerprint: str) -> tuple[Plan, Any]:
    slices = slices_of(read_folder(str(folder)), 2)
    plan = Plan(Store(str(out)), len(slices), digest(slices), "tar", model=str(model), fingerprint=fingerprint, device="cpu")
    plan.begin()
    return plan, slices


def test_a_node_is_lost(cluster: Any, narrow: Codec, narrow_folder: Path, speech: Path, tmp_path: Path) -> None:
    from unitcodec.corpus.cluster import encode_on_ray

    said = soundfile.read(speech, dtype="int16")[0]
    (tmp_path / "in").mkdir()
    for number in range(2 * SLICES):
        soundfile.write(tmp_path / "in" / f"{number:02}.wav", said[1000 * number : 1000 * number + 60000], 16000)
    (tmp_path / "in" / "07.wav").write_bytes(b"RIFF")
    plan, slices = plan_of(tmp_path / "in", tmp_path / "out", narrow_folder, narrow.model.entropy.fingerprint)
    (node,) = cluster.worker_nodes
    made: list[int] = []

    def lose() -> None:
        """When a quarter is there, kill the node as a failing machine would: its scheduler, and with it what it runs."""
        while (count := len(list((tmp_path / "out").glob("data/*.tar")))) < SLICES // 4:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        made.append(count)

    killer = threading.Thread(target=lose)
    killer.start()
    done = list(encode_on_ray(plan, slices, workers=2))
    killer.join()
    assert SLICES // 4 <= made[0] < SLICES  # in mid-run
    assert sorted(each.number for each in done) == list(range(SLICES))
    total = summarize(plan)
    assert (total.recordings, total.failed) == (2 * SLICES - 1, 1)
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert Counter(row["id"] for row in index) == Counter(f"{number:02}" for number in range(2 * SLICES) if number != 7)
    for row in index:
        data = (tmp_path / "out" / row["shard"]).read_bytes()[row["offset"] :][: row["size"]]
        assert data == narrow.compress(tmp_path / "in" / f"{row['id']}.wav")
    shards = sorted(name for name in os.listdir(tmp_path / "out" / "data") if not name.startswith("."))
    assert shards == [os.path.basename(plan.shard(number)) for number in range(SLICES)]


def test_what_a_task_raises_is_told(cluster: Any, narrow: Codec, narrow_folder: Path, recordings: Path, tmp_path: Path) -> None:
    from unitcodec.corpus.cluster import encode_on_ray

    plan, slices = plan_of(recordings, tmp_path / "out", narrow_folder, "00000000")
    with pytest.raises(ModelError, match="the corpus is coded by 00000000"):
        list(encode_on_ray(plan, slices))


def test_it_goes_on_where_a_run_ended(cluster: Any, narrow: Codec, narrow_folder: Path, recordings: Path, tmp_path: Path) -> None:
    from unitcodec.corpus.cluster import encode_on_ray

    plan, slices = plan_of(recordings, tmp_path / "out", narrow_folder, narrow.model.entropy.fingerprint)
    first = encode_slice(plan, slices[1], narrow)
    before = (tmp_path / "out" / plan.shard(1)).stat().st_mtime_ns
    done: dict[int, Summary] = {each.number: each for each in encode_on_ray(plan, slices)}
    assert done.keys() == {0, 1, 2}
    assert done[1] == first
    assert (tmp_path / "out" / plan.shard(1)).stat().st_mtime_ns == before
