"""A worker with a scripted estimator instead of networks: ``python worker_script.py MODE``. For tests only.

The pictures say what happens: the estimator sees somebody in every frame and, by mode, prints, dies, is slow, or
loses the person after ten frames and searches for long.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

import numpy as np

from posecore.capturing.estimators import Pose
from posecore.capturing.regions import Region
from posecore.errors import OutputError
from posecore.skeletons import BODY_21
from posecore.takes import Take
from posecore.worker import estimators
from posecore.worker.channel import take_over_standard_streams
from posecore.worker.server import Server

MODE = sys.argv[1]
LOADS = 0


class Scripted:
    """Sees a person in every frame, in 10 ms."""

    def __init__(self) -> None:
        global LOADS
        LOADS += 1
        self.name = f"scripted, load {LOADS}"
        self.count = 0
        self.lock = threading.Lock()

    def find(self, image):
        if MODE == "slow search" and self.count >= 10:
            time.sleep(30)
        return [(Region((60.0, 60.0), 80.0), 0.9)]

    def estimate(self, images, regions):
        with self.lock:
            self.count += 1
            count = self.count
        time.sleep(0.01)
        if MODE == "prints":
            print("a library says hello")
            os.write(1, b'{"event": "done", "id": "a"}\n')
            ctypes.CDLL(None).puts(b"so does native code")
        if MODE == "exits" and count == 5:
            sys.exit(7)
        if MODE == "no memory" and count == 5:
            raise MemoryError
        if MODE == "aborts" and count == 5:
            os.abort()
        there = not (MODE == "slow search" and count >= 10)
        points = np.random.default_rng(count).uniform(30, 90, (len(BODY_21), 2)).astype(np.float32)
        joints = np.concatenate([points - points[0], np.zeros((len(BODY_21), 1))], 1).astype(np.float32) / 50
        confidence = np.full(len(BODY_21), 0.9 if there else 0.01, np.float32)
        return [Pose(points, confidence, joints, 0.95 if there else 0.0) for _ in images]

    def region(self, pose):
        return Region((60.0, 60.0), 80.0)

    def __call__(self, image, box=None):
        return self.estimate([image], [])[0]


def full_disk(self, path):
    if "full" in str(path):
        raise OutputError(f"{path}: cannot write there (No space left on device)")
    save(self, path)


def choose(name, provider):
    if MODE == "slow loading":
        time.sleep(30)
    return Scripted(), "auto chose scripted" if name == "auto" else ""


save = Take.save
Take.save = full_disk
estimators.choose_estimator = choose
Server(take_over_standard_streams()).run()
