# SPDX-License-Identifier: GPL-3.0-or-later
"""What is alive while Blender runs: the worker, the job, and what is known of each scene's clip. No bpy in here.

Not in ID properties: those are saved and undone, and a running process is neither. What has to outlive the
session (last settings, the path of the Take, the chosen bones) is in the scene's properties.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .tasks import Tasks

if TYPE_CHECKING:
    from posecore import Motion
    from posecore.retargeting import Rig, RigMotion

    from .sources import SourceInfo
    from .takes_cache import Entry
    from .worker_client import WorkerClient

__all__ = ["Applied", "Clip", "Job", "Report", "Store", "clip", "reset", "store"]


@dataclass
class Job:
    """The capture that runs.

    Attributes:
        scene: key of the scene that it was started from, see :func:`key_of`.
        left: seconds, or None while nobody can tell.
    """

    number: Any
    scene: int
    entry: Entry
    done: int = 0
    total: int | None = None
    fps: float = 0.0
    left: float | None = None
    cancelling: bool = False

    @property
    def factor(self) -> float:
        """How much is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass
class Applied:
    """What the last Apply wrote, so that sliders can write it anew.

    Attributes:
        asked: the action's name that was asked for; under it the bridge writes over its own keys.
        rig: as :func:`.workflow.read_target` gave it.
        read_for: the armature's place and the mapping then; the rig is read anew when they have changed since.
        key: of everything that it was made from; another key means that it is out of date.
    """

    armature: str
    action: str
    asked: str
    rig: Rig
    read_for: Any
    key: Any = None


@dataclass
class Report:
    """What the last Apply did, for the panel."""

    title: str
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failed: bool = False


@dataclass
class Clip:
    """What is known of one scene's source.

    Attributes:
        source: path that ``info`` and ``error`` are about, made whole.
        takes: one file a person; for a source that holds a finished movement, empty.
        motion: solved, for ``motion_key``; None until then.
        message, message_icon: one line under the Analyse button.
        planned: a movement of the rig that waits for the mouse to rest, with its key.
        changed_at: when a setting was last touched (``time.monotonic``).
    """

    source: str = ""
    info: SourceInfo | None = None
    error: str = ""
    takes: list[Path] = field(default_factory=list)
    capture_warnings: list[str] = field(default_factory=list)
    message: str = ""
    message_icon: str = "NONE"
    motion: Motion | None = None
    motion_key: Any = None
    solve_error: str = ""
    solve_seconds: float = 0.0
    target_error: str = ""
    applied: Applied | None = None
    report: Report | None = None
    planned: tuple[RigMotion, Any] | None = None
    changed_at: float = 0.0


@dataclass
class Store:
    """Everything alive."""

    client: WorkerClient | None = None
    worker_text: str = ""
    self_test: Any = None
    self_test_text: str = ""
    job: Job | None = None
    clips: dict[int, Clip] = field(default_factory=dict)
    presets: list[tuple[str, str, str]] | None = None
    tasks: Tasks = field(default_factory=Tasks)
    cache_text: str = ""

    @property
    def hello(self) -> dict[str, Any]:
        """What the worker said of itself when it was ready: versions, providers, estimators; {} before."""
        return self.client.about if self.client is not None else {}


store = Store()


def key_of(scene: Any) -> int:
    """A number that a scene keeps when it is renamed."""
    number = getattr(scene, "session_uid", None)  # session_uuid in older Blenders
    return int(number if number is not None else getattr(scene, "session_uuid", hash(scene.name_full)))


def clip(scene: Any) -> Clip:
    """What is known of that scene's clip."""
    return store.clips.setdefault(key_of(scene), Clip())


def reset() -> None:
    """Forget what belongs to the open file; the worker and what it said of itself stay."""
    store.tasks.stop()
    store.tasks = Tasks()
    store.job = None
    store.clips.clear()
