"""Imports go down the floors of the house, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

FLOORS = (
    ("__main__", "command"),
    ("published", "corpus"),
    ("codec", "base", "onnx", "training"),
    ("encoder", "decoder"),
    ("model", "configuration", "weights"),
    ("content", "pitch", "speaker", "vocoder"),
    ("features", "quantize", "layers", "frames", "steps", "fields", "audio", "formats"),
    ("errors", "packed", "arrays"),
)
"""Of the package unitcodec, from the top down."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> Iterator[str]:
    """What a file imports, wherever in it, as absolute names of modules or of what is in them."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{name.name}" for name in node.names)


def named_again(path: Path) -> list[str]:
    """What a file imports by ``import X as X``, for others to import from it."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    imported = [name for node in tree if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]
    return [name.name for name in imported if name.asname == name.name]


def rooms() -> dict[str, set[str]]:
    """The modules and packages of unitcodec, and which others each imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "unitcodec").rglob("*.py")):
        room = path.relative_to(ROOT / "unitcodec").parts[0].removesuffix(".py")
        if room == "__init__":  # the door: it leads to what a user asks for
            continue
        used = {name.split(".")[1] for name in imports(path) if name.startswith("unitcodec.")}
        found.setdefault(room, set()).update(used & FLOOR.keys() - {room})
    return found


def test_every_room_is_on_a_floor() -> None:
    assert rooms().keys() == FLOOR.keys()


def test_imports_go_down() -> None:
    up = [f"{room} -> {other}" for room, others in rooms().items() for other in others if FLOOR[other] < FLOOR[room]]
    assert not up


def test_no_circle_on_a_floor() -> None:
    aside = {room: {other for other in others if FLOOR[other] == FLOOR[room]} for room, others in rooms().items()}
    while ends := [room for room, others in aside.items() if not others]:
        aside = {room: others.difference(ends) for room, others in aside.items() if room not in ends}
    assert not aside


def test_a_users_audio_and_unit_files_need_no_networks() -> None:
    """PyTorch takes seconds to import; of the audio package only what takes a caller's tensors knows it."""
    for package in ("audio", "formats"):
        for path in (ROOT / "unitcodec" / package).glob("*.py"):
            if path.name != "recording.py":
                assert not [name for name in imports(path) if name.split(".")[0] == "torch"], path


def test_bitstream_knows_nothing_of_what_uses_it() -> None:
    for path in (ROOT / "bitstream").rglob("*.py"):
        assert not {"unitcodec", "torch", "cli", "benchmarks"} & {name.split(".")[0] for name in imports(path)}, path


def test_a_name_has_one_home() -> None:
    """Only the face of a package, its ``__init__``, offers names of other modules."""
    for package in ("unitcodec", "bitstream", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.name == "__init__.py" or not named_again(path), path
