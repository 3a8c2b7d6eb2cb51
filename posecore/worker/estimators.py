"""Estimators that stay loaded between jobs, and that can be stopped in the middle of a search."""

from __future__ import annotations

import queue
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.estimators import Estimator
from posecore.capturing.loading import choose_estimator
from posecore.capturing.regions import Region
from posecore.capturing.temporal import load_refiner
from posecore.runtime import weights

__all__ = ["EstimatorCache", "Stoppable"]


class EstimatorCache:
    """Loaded estimators and refiners by name and provider, until the weights on this machine change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._estimators: dict[tuple[str, str], tuple[Estimator, str]] = {}
        self._refiners: dict[tuple[str, str], Any] = {}
        self._signature: object = None

    def estimator(self, name: str, provider: str) -> tuple[Estimator, str]:
        """As ``choose_estimator``: the estimator, and what ``auto`` has to say.

        Raises:
            PosecoreError: an unknown name, missing weights, or a missing provider or extra.
        """
        with self._lock:
            self._forget_if_changed()
            key = (name, provider)
            if key not in self._estimators:
                self._estimators[key] = choose_estimator(name, provider)
            return self._estimators[key]

    def keep_refiner(self, mode: str, provider: str) -> None:
        """Load TP-Net and hold on to it: sessions are shared, but only as long as somebody has one.

        Raises:
            PosecoreError: an unknown mode, missing weights, or a missing provider.
        """
        with self._lock:
            if mode != "off" and (mode, provider) not in self._refiners:
                self._refiners[mode, provider] = load_refiner(mode, provider)

    def _forget_if_changed(self) -> None:
        signature = [
            (entry.card.name, str(entry.folder), sorted(entry.card.files.items())) for entry in weights.listing()
        ]
        if signature != self._signature:
            self._estimators.clear()
            self._refiners.clear()
            self._signature = signature


class Stoppable:
    """An estimator whose search, which may take a second, is left at once when ``cancel`` is set.

    A frame cut short so is not used: ``capture`` looks at ``cancel`` before it takes a frame up.
    """

    def __init__(self, estimator: Estimator, cancel: threading.Event) -> None:
        self._estimator, self._cancel = estimator, cancel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._estimator, name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """See ``Estimator``."""
        return self._estimator(*arguments, **keywords)

    def find(self, image: NDArray[np.uint8]) -> list[tuple[Region, float]]:
        """See ``Estimator``; nobody, once cancelled."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def search() -> None:
            try:
                answer.put((self._estimator.find(image), None))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put((None, error))

        threading.Thread(target=search, name="posecore-search", daemon=True).start()
        while True:
            try:
                found, error = answer.get(timeout=0.05)
            except queue.Empty:
                if self._cancel.is_set():
                    return []
                continue
            if error is not None:
                raise error
            return found
