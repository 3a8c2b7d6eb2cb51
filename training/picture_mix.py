"""Several picture sets as one, of 2D and 3D pictures, from which every process draws its share of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecore.errors import SourceError
from training.pictures import PictureSet, free_sources, load_pictures

__all__ = ["PictureMix", "load_mix"]

_ARRAYS = ("images", "boxes", "keypoints", "weight", "depth", "depth_weight")


class PictureMix:
    """The training pictures of several sets.

    Args:
        sets: picture sets.
        solid: sources whose depth counts as truth; the others' pictures are the 2D ones of a mixed batch.
        free_only: only pictures of free licence.
        limit: training pictures of each set at most (the first ones), 0 for all.

    Raises:
        SourceError: nothing is left to train on.
    """

    def __init__(
        self, sets: Sequence[PictureSet], solid: Sequence[str] = ("synthetic",), free_only: bool = False, limit: int = 0
    ) -> None:
        self.sets = list(sets)
        rows = [pictures.rows(validation=False) for pictures in self.sets]
        if free_only:
            rows = [own[pictures.free[own]] for own, pictures in zip(rows, self.sets, strict=True)]
        rows = [own[:limit] if limit else own for own in rows]
        self.training_rows = rows
        self._set = np.concatenate([np.full(len(own), n) for n, own in enumerate(rows)] or [np.zeros(0, int)])
        self._row = np.concatenate([*rows, np.zeros(0, np.int64)])
        names = [str(pictures.source[0]) for pictures in self.sets]
        self._solid = np.array([name in solid for name in names], bool)[self._set]
        self._pools = {kind: np.flatnonzero(self._solid == kind) for kind in (False, True)}
        if not len(self):
            raise SourceError(f"no training pictures in {', '.join(names) or 'no sources'}; check --sources and --data")

    def __len__(self) -> int:
        return len(self._row)

    def pick(
        self, generator: torch.Generator, batch: int, two_d: float | None, rank: int = 0, ranks: int = 1
    ) -> NDArray[np.int64]:
        """Rank ``rank``'s ``batch`` pictures of a step; all ranks pass equal generators and get different shares.

        Args:
            two_d: share of 2D pictures, the rest being 3D; None draws from all alike.

        Raises:
            SourceError: a kind is asked for that no source has.
        """
        if two_d is None:
            return torch.randint(len(self), (batch * ranks,), generator=generator).numpy()[rank::ranks]
        flat = round(batch * two_d)
        picks = []
        for solid, count in ((False, flat), (True, batch - flat)):
            pool = self._pools[solid]
            if count and not len(pool):
                kind = "3D pictures; give --synthetic, or name a source in --solid" if solid else "2D pictures"
                raise SourceError(f"this stage needs {kind}")
            if count:
                drawn = torch.randint(len(pool), (count * ranks,), generator=generator).numpy()[rank::ranks]
                picks.append(pool[drawn])
        return np.concatenate(picks)

    def gather(self, picks: NDArray[np.int64]) -> dict[str, Tensor]:
        """The picked pictures as tensors, unaugmented, for :func:`training.augmentation.make_batch`."""
        chosen = [(self.sets[self._set[pick]], self._row[pick]) for pick in picks]
        return {name: torch.from_numpy(np.stack([getattr(s, name)[row] for s, row in chosen])) for name in _ARRAYS}

    def solid(self, picks: NDArray[np.int64]) -> Tensor:
        """(N,) bool: which of the picked pictures are 3D ones."""
        return torch.from_numpy(self._solid[picks])


def load_mix(
    data: Path,
    cache: Path,
    sources: Sequence[str],
    synthetic: Path | None = None,
    solid: Sequence[str] = ("synthetic",),
    free_only: bool = False,
    limit: int = 0,
) -> PictureMix:
    """The named sources below ``data`` (with ``free_only`` what is free of them), and the shards in ``synthetic``.

    A source that is named twice is drawn twice as often.
    """
    sources = free_sources(sources) if free_only else sources
    loaded = {name: load_pictures(data, cache, name) for name in dict.fromkeys(sources)}
    sets = [loaded[name] for name in sources]
    if synthetic is not None:
        sets.append(load_pictures(synthetic, cache, "synthetic"))
    return PictureMix(sets, solid, free_only, limit)
