"""What ONNX Runtime makes of speech and of codes is what PyTorch makes of them, and without PyTorch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from unitcodec.content import rungs
from unitcodec.errors import ModelError
from unitcodec.onnx import OnnxCodec, exact
from unitcodec.onnx.analyser import GraphAnalyser

if TYPE_CHECKING:
    from unitcodec.codec import Codec

PARTS = [slice(0, 70000), slice(20000, 31000), slice(50000, 51500), slice(60000, 60700)]


@pytest.fixture(scope="module")
def waveform(speech: Path) -> np.ndarray:
    wave: np.ndarray = soundfile.read(speech, dtype="float32")[0]
    return wave


@pytest.fixture(scope="module")
def graphs(narrow_graphs: Path) -> OnnxCodec:
    return OnnxCodec.from_pretrained(narrow_graphs)


@pytest.mark.parametrize("part", PARTS)
def test_same_bytes_and_same_samples(narrow: Codec, graphs: OnnxCodec, waveform: np.ndarray, part: slice) -> None:
    codes = narrow.encode(waveform[part], 16000)
    assert graphs.encode(waveform[part], 16000) == codes
    assert np.abs(graphs.decode(codes) - narrow.decode(codes)).max() < 1e-3


def test_the_packaged_model_too(codec: Codec, default_graphs: Path, waveform: np.ndarray) -> None:
    graphs = OnnxCodec.from_pretrained(default_graphs)
    for part in (slice(16000, 64000), slice(30000, 42000)):
        codes = codec.encode(waveform[part], 16000)
        assert graphs.encode(waveform[part], 16000) == codes
        assert np.abs(graphs.decode(codes) - codec.decode(codes)).max() < 1e-3


def test_what_float32_does_not_know_float64_decides(
    narrow: Codec, graphs: OnnxCodec, waveform: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = narrow.encode(waveform[:30000], 16000)
    ran: list[Any] = []
    content, searched = exact.Exact.content, GraphAnalyser._searched
    monkeypatch.setattr(exact.Exact, "content", lambda *given: ran.append("content") or content(*given))
    monkeypatch.setattr(GraphAnalyser, "_searched", lambda *given: ran.append(given[-2]) or searched(*given))
    monkeypatch.setattr(rungs, "MARGIN", 1.0)
    monkeypatch.setattr("unitcodec.onnx.analyser.MARGIN", 1.0)
    assert graphs.encode(waveform[:30000], 16000) == codes
    assert ran.count("content") >= 1
    assert ran[-2:] == [np.float32, np.float64]


@pytest.mark.parametrize("bitrate", [None, 200])
def test_streams_in_pieces(narrow: Codec, graphs: OnnxCodec, waveform: np.ndarray, bitrate: float | None) -> None:
    blocks = np.array_split(waveform, 7)
    data = b"".join(graphs.compress_blocks(blocks, bitrate))
    assert data == b"".join(narrow.compress_blocks(blocks, bitrate))
    heard = np.concatenate(list(graphs.decompress_blocks(data)))
    assert np.abs(heard - narrow.decompress(data)[0]).max() < 1e-3
    part = np.concatenate(list(graphs.decompress_blocks(data, start=2.0, duration=1.0)))
    assert len(part) == 16000


def test_silence_and_conversion(narrow: Codec, graphs: OnnxCodec, waveform: np.ndarray) -> None:
    silence = np.zeros(50000, np.float32)
    codes = graphs.encode(silence, 16000)
    assert codes == narrow.encode(silence, 16000)
    other = graphs.convert(codes, graphs.encode(waveform[:40000], 16000).speaker)
    assert np.abs(graphs.decode(other) - narrow.decode(other)).max() < 1e-3


WITHOUT = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
import numpy as np
from unitcodec.onnx import OnnxCodec
codec = OnnxCodec.from_pretrained(sys.argv[1])
samples = np.load(sys.argv[2])
data = codec.compress(samples, 16000)
wave, rate = codec.decompress(data)
assert len(wave) == len(samples) and rate == 16000
sys.stdout.buffer.write(data)
"""

ABSENT = ["torch", "safetensors", "scipy", "soundfile", "soxr", "av", "click", "tqdm", "onnx", "swift_f0"]


def test_onnxruntime_numpy_and_constriction_alone(
    narrow: Codec, narrow_graphs: Path, waveform: np.ndarray, tmp_path: Path, environment: dict[str, str]
) -> None:
    np.save(tmp_path / "speech.npy", waveform[:50000])
    call = [sys.executable, "-c", WITHOUT.format(absent=ABSENT), str(narrow_graphs), str(tmp_path / "speech.npy")]
    done = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout == narrow.compress(waveform[:50000], 16000)


def test_command_without_pytorch(
    narrow: Codec,
    narrow_graphs: Path,
    speech: Path,
    tmp_path: Path,
    command: Callable[..., subprocess.CompletedProcess[bytes]],
) -> None:
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "torch.py").write_text("raise ImportError('PyTorch is not to be imported')")
    path = {"PYTHONPATH": f"{stand_in}:{Path(__file__).parents[2]}"}
    done = command("encode", "--model", str(narrow_graphs), str(speech), str(tmp_path / "s.uc"), cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s.uc").read_bytes() == narrow.compress(str(speech))
    done = command(
        "decode", "--model", str(narrow_graphs), str(tmp_path / "s.uc"), str(tmp_path / "s.wav"), cwd=tmp_path, env=path
    )
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "s.wav").frames == soundfile.info(speech).frames
    live = str(tmp_path / "l.uc")
    done = command("encode", "--live", "--model", str(narrow_graphs), str(speech), live, cwd=tmp_path, env=path)
    assert done.returncode == 1
    assert b"live packets need the model itself" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not Path(live).exists()


def _changed(folder: Path, copy: Path, change: Callable[[Path], Any]) -> Path:
    copy.mkdir()
    for each in folder.iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    change(copy)
    return copy


def _flip(name: str) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def _index(**values: Any) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        index = json.loads((folder / "onnx.json").read_text())
        (folder / "onnx.json").write_text(json.dumps({**index, **values}))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_flip("content.onnx"), "content.onnx: damaged"),
        (_flip("tracker.onnx"), "tracker.onnx: damaged"),
        (_flip("model.safetensors"), "model.safetensors: damaged"),
        (_flip("entropy.safetensors"), "entropy.safetensors: damaged"),
        (lambda folder: (folder / "content.onnx").unlink(), "content.onnx: No such file"),
        (lambda folder: os.truncate(folder / "content.onnx", 100), "content.onnx: damaged"),
        (lambda folder: (folder / "onnx.json").write_text("{"), "onnx.json: not JSON"),
        (_index(format=3), "onnx.json: format 3; this version of unitcodec reads 2: export"),
        (_index(format=1), "onnx.json: format 1; this version of unitcodec reads 2: export"),
        (_index(model=1), "onnx.json: model is 1"),
        (_index(model="00000000"), "onnx.json: of the model '00000000'; the one beside it is"),
        (_index(sizes={}), "onnx.json: sizes: must be"),
        (_index(files={}), "onnx.json: files:"),
    ],
)
def test_a_damaged_folder_is_one_line(
    narrow_graphs: Path, waveform: np.ndarray, tmp_path: Path, change: Callable[[Path], Any], words: str
) -> None:
    folder = _changed(narrow_graphs, tmp_path / "graphs", change)
    with pytest.raises(ModelError) as error:
        OnnxCodec.from_pretrained(folder).encode(waveform[:20000], 16000)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_sizes_have_limits(narrow_graphs: Path, tmp_path: Path) -> None:
    sizes = json.loads((narrow_graphs / "onnx.json").read_text())["sizes"]
    for name, value in (("context", 10**9), ("generator_context", -1), ("matching", True), ("stride", 0.5)):
        folder = _changed(narrow_graphs, tmp_path / name, _index(sizes={**sizes, name: value}))
        with pytest.raises(ModelError, match=f"onnx.json: {name} is"):
            OnnxCodec.from_pretrained(folder)


def _graph(node: Any = None, location: str | None = None) -> bytes:
    import onnx
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("weight", TensorProto.FLOAT, [1], [0.0])
    if location is not None:
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
    nodes = [node or helper.make_node("Add", ["weight", "weight"], ["bounded"])]
    value = onnx.ValueInfoProto(name="bounded")
    data: bytes = helper.make_model(helper.make_graph(nodes, "g", [], [value], [tensor])).SerializeToString()
    return data


def _loop() -> Any:
    from onnx import helper

    return helper.make_node("Loop", ["", "", "weight"], ["bounded"], body=helper.make_graph([], "body", [], []))


def _hidden_loop() -> Any:
    from onnx import helper

    return helper.make_node("Add", ["weight", "weight"], ["bounded"], body=helper.make_graph([], "body", [], []))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"no graph", "content.onnx: "),
        (lambda: _graph(), "content.onnx: ONNX Runtime says"),
        (lambda: _graph(_loop()), "asks for 'Loop'"),
        (lambda: _graph(_hidden_loop()), "holds a graph within its graph"),
        (lambda: _graph(location="/etc/passwd"), "reads weights from '/etc/passwd'"),
    ],
)
def test_a_hostile_graph_is_one_line(
    narrow_graphs: Path, waveform: np.ndarray, tmp_path: Path, make: Callable[[], bytes], words: str
) -> None:
    from unitcodec.onnx.export import digest

    content = make()

    def change(folder: Path) -> None:
        (folder / "content.onnx").write_bytes(content)
        files = json.loads((folder / "onnx.json").read_text())["files"]
        _index(files={**files, "content.onnx": digest(folder / "content.onnx")})(folder)

    folder = _changed(narrow_graphs, tmp_path / "graphs", change)
    with pytest.raises(ModelError) as error:
        OnnxCodec.from_pretrained(folder).encode(waveform[:20000], 16000)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def _with_weights(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Weights of another's making, which the index vouches for."""
    from safetensors.numpy import load_file, save_file

    from unitcodec.onnx.export import digest

    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    files = json.loads((folder / "onnx.json").read_text())["files"]
    _index(files={**files, path.name: digest(path)})(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("speaker.head.weight"), "weights missing: 'speaker.head.weight'"),
        (lambda weights: weights.update({"speaker.head.weight": np.zeros((3, 3), np.float16)}), "not the weights that config"),
        (lambda weights: weights["speaker.head.bias"].fill(np.nan), "'speaker.head.bias' holds what is no number"),
        (lambda weights: weights.update({"decoder.slow.7.scale": np.zeros(3, np.float16)}), "weights missing: 'decoder.slow."),
    ],
)
def test_weights_that_do_not_fit_are_one_line(
    narrow_graphs: Path, waveform: np.ndarray, tmp_path: Path, change: Callable[[dict[str, np.ndarray]], Any], words: str
) -> None:
    folder = _changed(narrow_graphs, tmp_path / "graphs", lambda copy: _with_weights(copy, change))
    with pytest.raises(ModelError) as error:
        OnnxCodec.from_pretrained(folder).encode(waveform[:20000], 16000)
    assert words in str(error.value)
    assert "model.safetensors" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_graphs(narrow_folder: Path) -> None:
    with pytest.raises(ModelError, match="unitcodec export-onnx MODEL DIR"):
        OnnxCodec.from_pretrained(narrow_folder)


@pytest.mark.parametrize("wrong", ["shape", "nan", "count"])
@pytest.mark.parametrize("name", ["tracker", "content", "mel", "pulses", "filters"])
def test_a_graph_of_another_model_is_told_by_what_it_gives(
    narrow_graphs: Path, waveform: np.ndarray, monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    codec = OnnxCodec.from_pretrained(narrow_graphs)
    codes = codec.encode(waveform[:20000], 16000)
    session = codec._graphs._open(name)

    class Other:
        def run(self, *arguments: Any) -> list[np.ndarray]:
            made = session.run(*arguments)
            if wrong == "count":
                return [*made, made[0]]
            return [each[..., :-1] if wrong == "shape" else each.astype(np.float64) * np.nan for each in made]

    monkeypatch.setitem(codec._graphs._sessions, name, Other())
    with pytest.raises(ModelError, match=rf"{name}\.onnx: gives other than"):
        codec.decode(codes) if name in ("mel", "pulses", "filters") else codec.encode(waveform[:20000], 16000)
