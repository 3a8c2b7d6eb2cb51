"""Arrays out of pickles without unpickling: the file is interpreted as data and nothing in it is called.

A pickle is a program: ``GLOBAL`` names any function, ``REDUCE`` calls it. Data sets are published so all the same
(VideoPose3D's npz with object arrays, mmpose's cameras, SMPL's models). This module walks the opcodes with the
standard library's disassembler and builds numbers, strings, lists, tuples, dicts and numpy arrays itself. A name
outside the short list below is refused; with ``records`` it becomes a :class:`Record` that only holds what the
file said, so that the arrays inside objects of foreign classes can be taken out.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from posecore.errors import SourceError

__all__ = ["Record", "brief", "load_plain", "load_plain_file", "read_objects"]


def brief(error: BaseException) -> str:
    """The first line of what an error says, without the colon that a list would follow."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")


class _Refused(Exception):
    """The pickle holds something that is not plain data."""


@dataclass
class Record:
    """What a pickle says of an object of a class that is not admitted: nothing was imported or called.

    Attributes:
        name: ``module.class`` as the file names it.
        arguments: what the constructor would have been given.
        state: what the object would have been filled with, or None.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True)
class _Name:
    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


@dataclass(eq=False)
class _Array:
    """An ndarray under construction; ``value`` comes with BUILD."""

    value: Any = None


@dataclass(eq=False)
class _Type:
    """A dtype under construction; BUILD brings its byte order."""

    code: str
    order: str = "="

    def dtype(self) -> np.dtype[Any]:
        kind = self.code.lstrip("<>=|")
        if kind[:1] not in ("b", "i", "u", "f", "c", "S", "U", "O", "?"):
            raise _Refused(f"an array of type {self.code!r}")
        return np.dtype(kind if kind.startswith("O") else ("" if self.order == "|" else self.order) + kind)


def _bytes(value: Any) -> bytes:
    """Raw data; pickles of Python 2 hold it as text."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if not isinstance(value, bytes | bytearray):
        raise _Refused("array data that are not bytes")
    return bytes(value)


def _new_array(kind: Any, shape: Any, letter: Any) -> _Array:
    if kind != _Name("numpy", "ndarray"):
        raise _Refused(f"an array of class {kind}")
    return _Array()


def _scalar(kind: Any, data: Any = b"") -> Any:
    if not isinstance(kind, _Type) or kind.dtype().hasobject:
        raise _Refused("a scalar that is not a number")
    return np.frombuffer(_bytes(data), kind.dtype())[0]


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> _Array:
    if not isinstance(kind, _Type) or kind.dtype().hasobject:
        raise _Refused("a buffer of objects")
    return _Array(np.frombuffer(_bytes(data), kind.dtype()).reshape(shape, order=order))


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise _Refused(f"text in the code {codec!r}")
    return text.encode("latin-1")


def _dtype(code: Any, *_: Any) -> _Type:
    if not isinstance(code, str):
        raise _Refused("a structured array")
    return _Type(code)


def _empty(*arguments: Any) -> Any:
    if arguments:
        raise _Refused("bytes made by a call")
    return b""


#: The names that may stand in a pickle, with *our* way of making what they stand for.
_ADMITTED: dict[str, Callable[..., Any]] = {
    **{f"numpy.{core}.multiarray._reconstruct": _new_array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "builtins.bytes": _empty,
    "__builtin__.bytes": _empty,
    "collections.OrderedDict": lambda items=(): dict(items),
}
_MARK = object()


@dataclass
class _Reader:
    """The stack machine of a pickle, for data only."""

    records: bool | Collection[str]
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, stream: IO[bytes]) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _PUSHED:
                self.stack.append(_PUSHED[opcode.name])
            elif opcode.name in _LITERALS:
                self.stack.append(argument)
            else:
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise _Refused(f"the instruction {opcode.name}")
                step(self, argument)
        raise _Refused("no end")

    def pop_to_mark(self) -> list[Any]:
        at = max(i for i, item in enumerate(self.stack) if item is _MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def name(self, module: Any, attribute: Any) -> None:
        name = _Name(str(module), str(attribute))
        if str(name) not in _ADMITTED and str(name) != "numpy.ndarray" and not self.recorded(name):
            raise _Refused(f"the name {name}")
        self.stack.append(name)

    def recorded(self, name: _Name) -> bool:
        """Whether a call of ``name`` becomes a Record."""
        return self.records if isinstance(self.records, bool) else str(name) in self.records

    def call(self, arguments: Any, name: Any) -> None:
        maker = _ADMITTED.get(str(name)) if isinstance(name, _Name) else None
        if maker is not None:
            self.stack.append(maker(*arguments))
        elif isinstance(name, _Name) and self.recorded(name):
            self.stack.append(Record(str(name), tuple(arguments)))
        else:
            raise _Refused(f"a call of {name}")

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Array):
            target.value = _filled(state)
        elif isinstance(target, _Type):
            if state[3] is not None or state[2] is not None:
                raise _Refused("a structured array")
            target.order = state[1]
        elif isinstance(target, Record):
            target.state = state
        else:
            raise _Refused(f"state for a {type(target).__name__}")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise _Refused(f"items for a {type(target).__name__}")
        target.update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused(f"items for a {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def pop_pair(self) -> tuple[Any, Any]:
        second = self.stack.pop()
        return self.stack.pop(), second


def _filled(state: Any) -> np.ndarray:
    """The array of ndarray.__setstate__'s (version, shape, dtype, is_fortran, data)."""
    _, shape, kind, fortran, data = state
    if not isinstance(kind, _Type):
        raise _Refused("an array without a type")
    order: Any = "F" if fortran else "C"
    if kind.dtype().hasobject:
        flat = np.empty(len(data), object)
        for index, item in enumerate(data):
            flat[index] = item
        return flat.reshape(shape, order=order)
    return np.frombuffer(_bytes(data), kind.dtype()).reshape(shape, order=order)


def _pop_name(reader: _Reader) -> None:
    module, attribute = reader.pop_pair()
    reader.name(module, attribute)


def _reduce(reader: _Reader) -> None:
    name, arguments = reader.pop_pair()
    reader.call(arguments, name)


def _tuple(count: int) -> Callable[[_Reader, Any], None]:
    def step(reader: _Reader, _: Any) -> None:
        items = tuple(reader.stack[-count:]) if count else ()
        del reader.stack[len(reader.stack) - count :]
        reader.stack.append(items)

    return step


def _memoize(reader: _Reader, argument: Any) -> None:
    reader.memo[len(reader.memo) if argument is None else argument] = reader.stack[-1]


def _new_dict(reader: _Reader) -> None:
    items = reader.pop_to_mark()
    reader.stack.append({})
    reader.set_items(items)


_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_LITERALS = _NUMBERS | _TEXTS | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_PUSHED: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK}
_STEPS: dict[str, Callable[[_Reader, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda r, a: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda r, a: r.stack.append(r.memo[int(a)])),
    "EMPTY_TUPLE": _tuple(0),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda r, a: r.stack.append(tuple(r.pop_to_mark())),
    "EMPTY_LIST": lambda r, a: r.stack.append([]),
    "LIST": lambda r, a: r.stack.append(r.pop_to_mark()),
    "APPEND": lambda r, a: r.extend([r.stack.pop()]),
    "APPENDS": lambda r, a: r.extend(r.pop_to_mark()),
    "EMPTY_DICT": lambda r, a: r.stack.append({}),
    "DICT": lambda r, a: _new_dict(r),
    "SETITEM": lambda r, a: r.set_items(list(r.pop_pair())),
    "SETITEMS": lambda r, a: r.set_items(r.pop_to_mark()),
    "POP": lambda r, a: r.stack.pop(),
    "POP_MARK": lambda r, a: r.pop_to_mark(),
    "DUP": lambda r, a: r.stack.append(r.stack[-1]),
    "GLOBAL": lambda r, a: r.name(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda r, a: _pop_name(r),
    "REDUCE": lambda r, a: _reduce(r),
    "NEWOBJ": lambda r, a: _reduce(r),
    "BUILD": lambda r, a: r.build(),
}


def _plain(value: Any, done: dict[int, Any] | None = None) -> Any:
    """``value`` with finished arrays in place of those under construction; what is shared stays shared."""
    done = {} if done is None else done
    if id(value) not in done:
        done[id(value)] = _finished(value, done)
    return done[id(value)]


def _finished(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, _Array):
        if isinstance(value.value, np.ndarray) and value.value.dtype.hasobject:
            for index in np.ndindex(value.value.shape):
                value.value[index] = _plain(value.value[index], done)
        return value.value
    if isinstance(value, dict):
        return {_plain(key, done): _plain(item, done) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item, done) for item in value)
    if isinstance(value, _Type):
        return value.dtype()
    if isinstance(value, Record):
        return Record(value.name, _plain(value.arguments, done), _plain(value.state, done))
    if isinstance(value, _Name):
        return str(value)
    return value


#: What a damaged pickle may raise here.
_DAMAGE = (
    *(ValueError, TypeError, LookupError, EOFError, AttributeError, RecursionError, OverflowError, MemoryError),
    struct.error,
)


def load_plain(stream: IO[bytes], source: str, records: bool | Collection[str] = False) -> Any:
    """What a pickle holds, if that is only numbers, strings, lists, tuples, dicts and numpy arrays.

    Args:
        stream: at the start of the pickle.
        source: named in errors.
        records: other classes become :class:`Record` in place of an error: all, or only those of these names
            (``module.class``).

    Raises:
        SourceError: damaged, or it names anything else.
    """
    try:
        return _plain(_Reader(records).run(stream))
    except _Refused as error:
        raise SourceError(f"{source}: refused: {error} has no place in plain arrays; nothing was run") from None
    except _DAMAGE as error:
        raise SourceError(f"{source}: not a readable pickle of arrays, cut off perhaps ({brief(error)})") from error


def load_plain_file(path: str | Path, records: bool | Collection[str] = False) -> Any:
    """:func:`load_plain` of a file.

    Raises:
        SourceError: as there, or the file is missing or cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return load_plain(stream, str(path), records)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected a pickle of arrays") from None
    except OSError as error:
        reason = "a folder" if Path(path).is_dir() else f"cannot be read ({error.strerror or brief(error)})"
        raise SourceError(f"{path}: {reason}; expected a pickle of arrays") from None


def read_objects(path: str | Path) -> dict[str, Any]:
    """All members of an npz, its object arrays read by :func:`load_plain`; a 0-dimensional one gives its item.

    Raises:
        SourceError: missing or damaged file, or anything but plain data inside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): _member(archive.read(name), f"{path}: {name}") for name in archive.namelist()
            }
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected an .npz") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, ValueError) as error:
        raise SourceError(f"{path}: not a readable .npz file ({brief(error)})") from error


def _member(data: bytes, source: str) -> Any:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(stream)
    else:
        header = np.lib.format.read_array_header_2_0(stream)
    if not header[2].hasobject:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    array = load_plain(stream, source)
    if not isinstance(array, np.ndarray):
        raise SourceError(f"{source}: an object array that holds no array")
    return array.item() if array.ndim == 0 else array
