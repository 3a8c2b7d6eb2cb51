"""Files shaped exactly as the data sets publish them, made small."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from posecore.errors import SourceError


class _Node(dict):
    """A group of an HDF5 file, as h5py gives it."""


class _StandIn(types.ModuleType):
    """The part of h5py that the readers use, for where h5py is not installed: trees are kept in memory."""

    def __init__(self) -> None:
        super().__init__("h5py")
        self.trees: dict[str, _Node] = {}

    def File(self, path, mode="r"):
        if Path(path).read_bytes()[:8] != b"\x89HDF\r\n\x1a\n" or str(path) not in self.trees:
            raise OSError("Unable to open file (file signature not found)")
        tree = self.trees[str(path)]

        class Opened(_Node):
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

        return Opened(tree)


@pytest.fixture
def write_h5(monkeypatch):
    """``write_h5(path, tree)``: an HDF5 file of nested dicts of arrays."""
    if importlib.util.find_spec("h5py"):
        import h5py

        def real(path, tree):
            with h5py.File(path, "w") as file:
                _fill(file, tree)

        return real
    module = _StandIn()
    monkeypatch.setitem(sys.modules, "h5py", module)

    def pretended(path, tree):
        Path(path).write_bytes(b"\x89HDF\r\n\x1a\n")
        module.trees[str(path)] = _nodes(tree)

    return pretended


def _fill(group, tree):
    for name, value in tree.items():
        if isinstance(value, dict):
            _fill(group.create_group(name), value)
        else:
            group[name] = value


def _nodes(tree):
    return _Node({name: _nodes(v) if isinstance(v, dict) else np.asarray(v) for name, v in tree.items()})


@pytest.fixture
def one_line():
    """``one_line(*words)``: a context that wants a SourceError of one line with these words in it."""

    class Wanted:
        def __init__(self, *words: str) -> None:
            self.words = words
            self.raises = pytest.raises(SourceError)

        def __enter__(self):
            self.info = self.raises.__enter__()
            return self.info

        def __exit__(self, *error):
            passed = self.raises.__exit__(*error)
            text = str(self.info.value)
            assert "\n" not in text
            for word in self.words:
                assert word in text, text
            return passed

    return Wanted


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
