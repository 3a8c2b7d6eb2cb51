"""Names of actions: one a rig and clip."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from addon.workflow import action_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/walk.mp4", "Hero walk"),
        ("clips/walk.take.v2.mp4", "Hero walk.take.v2"),
        ("shots/shot_0001.png", "Hero shot"),
        ("shots/shot_%04d.png", "Hero shot"),
        ("shots/shot_*.png", "Hero shot"),
        ("shots/0001.png", "Hero 0001"),
        ("clips/take 12.mov", "Hero take 12"),
        ("shots/", "Hero shots"),
    ],
)
def test_rig_and_clip(source: str, name: str) -> None:
    assert action_name(SimpleNamespace(name="Hero"), source) == name


def test_no_longer_than_blender_keeps() -> None:
    name = action_name(SimpleNamespace(name="Läufer"), "ü" * 80 + ".mp4")
    assert len(name.encode()) <= 63 and name.startswith("Läufer üü")
