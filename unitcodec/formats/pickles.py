"""A pickle read as data: a machine of its own that knows no functions, so whatever the file says, nothing is ever called.

Pickles name functions and the arguments to call them with, and Python's own reader calls them. Here a call becomes a
:class:`Made`, which only remembers what it would have been. NumPy arrays, whose bytes stand in the file, are put together
from what their calls say. Names that have no business in such a file are refused when they are met.

Plain pickles of protocols 0 to 5 are read, and the files of joblib from 0.10 on, compressed by zlib, gzip, bz2, lzma or xz.

A pickle is a program, and a short one can make much: bytes again from the same text, tuples of the same tuple. So the operations
are counted, what is made can be no larger than the file, and no step here takes more time than the file's own bytes call for.
``pickle.Unpickler`` with a ``find_class`` that returns stubs calls nothing either, but cannot be held to these bounds: on Python
3.11 seven bytes that store a value at memo index 2^27 take 1 GB, and a dictionary key of 121 bytes, a tuple doubled 60 times, is
hashed for years, and no method that could refuse is asked.
"""

from __future__ import annotations

import bz2
import io
import lzma
import math
import pickletools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array, unfolded

ALLOWED = re.compile(
    r"sklearn\.cluster\.(_kmeans|k_means_)\.(MiniBatch)?KMeans"
    r"|((sklearn\.externals\.)?joblib)\.numpy_pickle\.NumpyArrayWrapper"
    r"|numpy\.(ndarray|dtype|memmap|(bool|int|uint|float)\d{0,3}_?)"
    r"|numpy\.(core|_core)\.multiarray\.(_reconstruct|scalar)"
    r"|numpy\.(core|_core)\.numeric\._frombuffer"
    r"|numpy\.random\.(_pickle\.__(randomstate|bit_generator|generator)_ctor|_mt19937\.MT19937|mtrand\.RandomState)"
    r"|numpy\.random\.(__RandomState_ctor|mtrand\.__RandomState_ctor|bit_generator\.(__pyx_unpickle_)?SeedSequence)"
    r"|_codecs\.encode|copyreg\._reconstructor|copy_reg\._reconstructor|(builtins|__builtin__)\.(object|bytearray|bytes)"
)
"""What the files of scikit-learn's k-means refer to, through all their versions. None of it is ever imported or called."""

DTYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")
COMPRESSED: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x78", zlib.decompressobj),
    (b"\x1f\x8b", lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)),
    (b"BZ", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_DICTIONARY)),
    (b"\x5d\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_DICTIONARY)),
)
"""How compressed files begin, as joblib tells them apart."""

MAX_DICTIONARY = 2**27
"""Bytes that a file may have set aside to be decompressed; the highest level of xz takes 65 MiB."""

MAX_OPERATIONS, MAX_NAME, MAX_AXES = 2**16, 200, 32
"""Of a file, which has a few hundred; characters of a function or attribute; axes of an array."""


class PickleRefused(ValueError):
    """The file is no pickle of arrays, or asks for more than such a file needs. Nothing of it was executed."""


@dataclass(frozen=True)
class Name:
    """A function or class that the file refers to, by name only."""

    module: str
    name: str


STORED = Name("", "persistent")
"""What stands elsewhere in the file, in PyTorch's."""


@dataclass(eq=False)
class Made:
    """What a call would have given: the function or class, its arguments, the attributes set afterwards.

    ``array`` is what a call describes that would have given a NumPy array, else None.
    """

    function: Name
    arguments: tuple[Any, ...]
    state: dict[str, Any] = field(default_factory=dict)
    array: NDArray[Any] | None = None


def read_pickle(data: bytes) -> Any:
    """The value that a pickle or joblib file's bytes describe: numbers, text, containers, arrays, and :class:`Made` objects.

    Raises PickleRefused.
    """
    plain = decompressed(data)
    return run(io.BytesIO(plain), len(plain))


def run(stream: BinaryIO, size: int, allowed: re.Pattern[str] = ALLOWED, operations: int = MAX_OPERATIONS) -> Any:
    """The value of the pickle that stands next in a stream of ``size`` bytes.

    Raises PickleRefused, also for names that ``allowed`` does not match and for more ``operations``.
    """
    try:
        return _Machine(stream, size, allowed, operations).run()
    except PickleRefused:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise PickleRefused("not a pickle, or a damaged one") from error


def as_value(value: Any) -> Any:
    """The array where a :class:`Made` describes one; anything else as it is."""
    return value.array if isinstance(value, Made) and value.array is not None else value


def decompressed(data: bytes) -> bytes:
    """The bytes that a compressed file stands for; others as they are. Raises PickleRefused."""
    if data.startswith(b"\x04\x22\x4d\x18"):
        raise PickleRefused("compressed by lz4, which is not read here; dump it again with compress='zlib'")
    if data.startswith(b"ZF"):
        raise PickleRefused("written by joblib before 0.10, whose arrays lie in other files; load and dump it with a newer one")
    for prefix, make in COMPRESSED:
        if data.startswith(prefix):
            limit = unfolded(len(data))
            try:
                plain: bytes = make().decompress(data, limit + 1)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
                raise PickleRefused("damaged: it cannot be decompressed") from error
            if len(plain) > limit:
                raise PickleRefused(f"decompresses to more than {limit} bytes")
            return plain
    return data


class _Machine:
    """The stack machine that a pickle is a program of (pickletools has its manual), with every call left out."""

    def __init__(self, stream: BinaryIO, size: int, allowed: re.Pattern[str], operations: int) -> None:
        self.stream, self.room, self.allowed, self.operations = stream, size, allowed, operations
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        # Operations are read one by one, so that after a joblib wrapper the array's raw bytes can be taken out of their way.
        for count, (operation, argument, _) in enumerate(pickletools.genops(self.stream)):
            if count == self.operations:
                raise PickleRefused(f"has more than {count} operations, which arrays do not need; nothing was executed")
            if operation.name == "STOP":
                return self.stack.pop()
            self._step(operation.name, argument)
        raise PickleRefused("ends before its value is complete")

    def _step(self, operation: str, argument: Any) -> None:
        stack = self.stack
        if operation in _LITERALS:
            stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
            return
        match operation:
            case "PROTO" | "FRAME":
                pass
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[int(argument)] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[int(argument)])
            case "MARK":
                self.marks.append(len(stack))
            case "POP" if not self.marks or self.marks[-1] != len(stack):
                stack.pop()
            case "POP" | "POP_MARK":
                self._above_mark()
            case "DUP":
                stack.append(stack[-1])
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation == "NEWTRUE")
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_DICT":
                stack.append({})
            case "LIST":
                stack.append(self._above_mark())
            case "TUPLE":
                stack.append(tuple(self._above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._popped(int(operation[-1]))))
            case "DICT":
                items = self._above_mark()
                stack.append({})
                self._set(items)
            case "APPEND":
                self._extend([stack.pop()])
            case "APPENDS":
                self._extend(self._above_mark())
            case "SETITEM":
                self._set(self._popped(2))
            case "SETITEMS":
                self._set(self._above_mark())
            case "GLOBAL":
                stack.append(self._name(*argument.split(" ", 1)))  # how pickletools gives the two
            case "STACK_GLOBAL":
                stack.append(self._name(*self._popped(2)))
            case "BINPERSID":
                stack.append(Made(STORED, (stack.pop(),)))
            case "REDUCE" | "NEWOBJ":
                stack.append(self._call(*self._popped(2)))
            case "NEWOBJ_EX":
                function, arguments, _ = self._popped(3)  # by keyword: none of the classes has any that matter
                stack.append(self._call(function, arguments))
            case "INST":
                name = self._name(*argument.split(" ", 1))
                stack.append(self._call(name, tuple(self._above_mark())))
            case "OBJ":
                function, *arguments = self._above_mark()
                stack.append(self._call(function, tuple(arguments)))
            case "BUILD":
                self._build(stack.pop(), stack[-1])
            case _:
                raise PickleRefused(f"uses the operation {operation}, which arrays do not need; nothing was executed")

    # --- the stack, and what stands on it

    def _above_mark(self) -> list[Any]:
        start = self.marks.pop()
        items, self.stack[start:] = self.stack[start:], []
        return items

    def _popped(self, count: int) -> list[Any]:
        """What was put on the stack last, in that order."""
        if len(self.stack) < count:
            raise IndexError("the stack is too short")
        items, self.stack[-count:] = self.stack[-count:], []
        return items

    def _extend(self, items: list[Any]) -> None:
        _typed(self.stack[-1], list).extend(items)

    def _set(self, items: list[Any]) -> None:
        keys = items[::2]
        # Short text and numbers: the hash of what is nested deeply enough would exhaust the stack, and to compare takes time.
        if not isinstance(self.stack[-1], dict) or len(items) % 2 or not all(map(_is_key, keys)):
            raise PickleRefused("has a dictionary whose keys are not text")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    # --- what would have been calls

    def _name(self, module: Any, name: Any = "") -> Name:
        if not isinstance(name, str) or not isinstance(module, str):
            raise PickleRefused("refers to something without a name")
        if len(module) + len(name) > MAX_NAME or not self.allowed.fullmatch(f"{module}.{name}"):
            wanted = ascii(f"{module[:80]}.{name[:80]}")[1:-1][:80]
            raise PickleRefused(f"asks for {wanted}, which the file of a k-means codebook has no need of; nothing was executed")
        return Name(module, name)

    def _build(self, state: Any, made: Any) -> None:
        if isinstance(made, dict) and isinstance(state, dict):  # an OrderedDict, whose attributes do not matter
            self._charge(len(state))
            return
        if not isinstance(made, Made):
            raise PickleRefused("sets attributes of something that has none")
        # As it is, since many may have the same one.
        made.state = state if isinstance(state, dict) else {"state": state}
        if made.function.name == "NumpyArrayWrapper":
            made.array = self._wrapped(made.state)
        elif made.function.name == "_reconstruct":
            # How NumPy pickles arrays: (version, shape, type, order, bytes).
            _, shape, dtype, fortran_order, data = _typed(state, tuple)
            made.array = as_array(self._bytes(data), _dtype(dtype), _shape(shape), bool(fortran_order))

    def _call(self, function: Any, arguments: Any) -> Any:
        """A call that is not made; those that only describe bytes and arrays are understood."""
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleRefused("calls something that is no function; nothing was executed")
        if function.name in ("encode", "bytes", "bytearray"):  # how the bytes of protocols 0 to 2 are written
            return self._bytes(arguments[0] if arguments else b"")
        if function.name == "_reconstructor":  # how the objects of protocols 0 and 1 are written
            return self._call(arguments[0], ())
        if function.name == "OrderedDict" and not arguments:
            return {}
        if any(isinstance(each, tuple) and len(each) > MAX_AXES for each in arguments):
            raise PickleRefused("has an array of no known shape")
        made = Made(function, arguments)
        if function.name == "_frombuffer":
            data, dtype, shape, order = arguments
            made.array = as_array(_typed(data, bytes), _dtype(dtype), _shape(shape), order == "F")
        elif function.name == "scalar":
            made.array = as_array(self._bytes(arguments[1]), _dtype(arguments[0]), (), False)
        return made

    def _bytes(self, value: Any) -> bytes:
        """Bytes; as Python 2 wrote them they read as text."""
        if not isinstance(value, str):
            return _typed(value, bytes)
        self._charge(len(value))
        return value.encode("latin-1")

    def _charge(self, size: int) -> None:
        """What is made comes out of the file, so all of it is no larger than that, unless it is made again and again."""
        self.room -= size
        if self.room < 0:
            raise PickleRefused("makes more than it holds; nothing was executed")

    def _wrapped(self, wrapper: dict[str, Any]) -> NDArray[Any]:
        """The array whose bytes follow a joblib wrapper."""
        dtype, shape = _dtype(wrapper["dtype"]), _shape(wrapper["shape"])
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            self.stream.read(self.stream.read(1)[0])
        return as_array(self.stream.read(math.prod(shape) * dtype.itemsize), dtype, shape, wrapper["order"] == "F")


_LITERALS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)


def _dtype(value: Any) -> np.dtype[Any]:
    """The number type that a pickled ``numpy.dtype`` describes, made anew from its letters."""
    if not isinstance(value, Made) or value.function.name != "dtype":
        raise PickleRefused("has an array of no known type")
    letters = value.arguments[0]
    if not isinstance(letters, str) or not DTYPE.fullmatch(letters):
        # What is no text is not shown: a tuple of the same tuples, and so on, has no end.
        kind = ascii(letters[:40]) if isinstance(letters, str) else type(letters).__name__
        raise PickleRefused(f"has an array of the type {kind}; only numbers are read")
    dtype, state = np.dtype(letters), value.state.get("state")
    return dtype.newbyteorder(state[1]) if isinstance(state, tuple) and state[1:2] in (("<",), (">",)) else dtype


def _shape(value: Any) -> tuple[int, ...]:
    sizes = isinstance(value, (tuple, list)) and len(value) <= MAX_AXES
    if not sizes or not all(isinstance(size, int) and 0 <= size < 2**40 for size in value):
        raise PickleRefused("has an array of no known shape")
    return tuple(value)


def _is_key(value: Any) -> bool:
    # Integers of any size could all have the same hash.
    return len(value) <= MAX_NAME if isinstance(value, str) else isinstance(value, int) and 0 <= value < 2**32


def _typed(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise PickleRefused(f"holds {type(value).__name__} where {kind.__name__} belongs")
    return value
