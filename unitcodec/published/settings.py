"""The ``config.json`` of a published checkpoint: values from anywhere, each looked at before it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bitstream.errors import shown
from bitstream.regular import read_regular

from ..errors import ModelError

MOST = 8
"""Entries that a list may have: published ones have five at most."""

MAX_FILE = 2**19


class Settings:
    """A JSON object whose values are asked for by name, type and range. What does not fit raises ModelError naming ``where``."""

    def __init__(self, values: Any, where: str):
        if not isinstance(values, dict):
            raise ModelError(f"{where}: not a JSON object")
        self.values: dict[str, Any] = values
        self.where = where

    @staticmethod
    def read(path: Path) -> Settings:
        """The file at ``path``."""
        try:
            return Settings(json.loads(read_regular(path, MAX_FILE)), str(path))
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not JSON, or cut short") from error

    def flag(self, name: str) -> bool:
        """Whether something that counts as true is there."""
        return bool(self.values.get(name))

    def part(self, name: str) -> Settings:
        """An object in the object."""
        return Settings(self._get(name), f"{self.where}: {name}")

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """An integer in [low, high]; without ``default`` it has to be there."""
        if default is not None and self.values.get(name) is None:
            return default
        return self._integer(name, self._get(name), low, high)

    def integers(self, name: str, low: int, high: int) -> list[int]:
        """A list of up to eight integers in [low, high]."""
        return self._integers(name, self._get(name), low, high)

    def rows(self, name: str, low: int, high: int) -> list[list[int]]:
        """A list of such lists."""
        return [self._integers(name, row, low, high) for row in self._list(name, self._get(name))]

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """A number in [low, high]."""
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ModelError(f"{self.where}: {name} is {shown(value)}; it must be a number in {low:g} .. {high:g}")
        return float(value)

    def _get(self, name: str) -> Any:
        if name not in self.values:
            raise ModelError(f"{self.where}: {name} is missing")
        return self.values[name]

    def _list(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST:
            raise ModelError(f"{self.where}: {name} is {shown(value)}; it must be a list of 1 .. {MOST}")
        return value

    def _integers(self, name: str, value: Any, low: int, high: int) -> list[int]:
        return [self._integer(name, each, low, high) for each in self._list(name, value)]

    def _integer(self, name: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ModelError(f"{self.where}: {name} is {shown(value)}; it must be an integer in {low} .. {high}")
        return value
