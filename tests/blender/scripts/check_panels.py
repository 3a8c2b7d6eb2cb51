"""The panels without a window: everything that they name exists, and bad input is one clear line."""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pathlib import Path

import bpy
import common
import fake_layout

import addon
from addon import operators, panels, preferences, properties, state


def draw_all() -> list[tuple]:
    return [
        drawn for panel in panels.CLASSES if issubclass(panel, bpy.types.Panel) for drawn in fake_layout.draw(panel)
    ]


def why_not(operator) -> str:
    """Empty where the button may be pressed."""
    try:
        if operator.poll():
            return ""
        operator()
    except RuntimeError as error:
        return str(error).strip()
    return "no reason given"


def pressed(operator, **options) -> list[str]:
    """The outcome of a press: (result, report)."""
    try:
        return [*operator(**options), ""]
    except RuntimeError as error:
        return ["CANCELLED", str(error).strip()]


def main(folder: str) -> dict:
    scene = common.fresh_scene()
    addon.register()
    ops, values = bpy.ops.posecore, scene.posecore
    out: dict = {"empty": draw_all(), "grey": {}}
    for name in ("analyse", "cancel", "apply", "map_bones", "use_active", "save_preset", "go_to_worst"):
        out["grey"][name] = why_not(getattr(ops, name))

    place = Path(folder)
    (place / "notes.txt").write_text("no video\n", encoding="utf-8")
    (place / "cut.mp4").write_bytes((common.ROOT / "examples" / "walk.mp4").read_bytes()[:2000])
    (place / "empty.mp4").write_bytes(b"")
    out["bad"] = {}
    for name in ("notes.txt", "cut.mp4", "empty.mp4", "missing.mp4", "missing.npz"):
        outcome = pressed(ops.choose_source, filepath=str(place / name))
        out["bad"][name] = [*outcome, values.capture.source]
        values.capture.source = str(place / name)  # as typed in the panel
        out["bad"][name] += [
            state.clip(scene).error,
            why_not(ops.analyse),
            [d[1] for d in draw_all() if d[0] == "label"],
        ]
        values.capture.source = ""

    values.capture.source = str(common.ROOT / "examples" / "walk.mp4")
    values.capture.use_range = True
    out["video"] = state.clip(scene).info.text
    out["drawn video"] = draw_all()
    out["apply before"] = why_not(ops.apply)
    state.store.job = state.Job("none", state.key_of(scene), None, done=123, total=412, fps=9.8, left=29.4)
    out["drawn job"] = draw_all()
    out["analyse while"] = why_not(ops.analyse)
    state.store.job = None
    out["reset"] = pressed(ops.reset_solve)
    values.solve.smoothing = 0.9
    out["reset again"] = [*pressed(ops.reset_solve), values.solve.smoothing]

    from PIL import Image

    for number in range(3):
        Image.new("RGB", (64, 48)).save(place / f"shot_{number:03d}.png")
    values.capture.source = str(place / "shot_001.png")
    out["pictures"] = [state.clip(scene).info.kind, state.clip(scene).info.text, Path(state.clip(scene).source).name]
    out["drawn pictures"] = draw_all()
    out["preferences"] = fake_layout.draw_preferences(_Preferences(), preferences.PosecorePreferences)
    out["undescribed"] = [
        f"{kind.__name__}.{name}"
        for kind in properties.CLASSES
        for name, found in kind.bl_rna.properties.items()
        if name not in ("rna_type", "name") and found.type not in ("POINTER", "COLLECTION") and not found.description
    ]
    out["undescribed"] += [kind.__name__ for kind in operators.CLASSES if not (kind.__doc__ or kind.bl_description)]
    out["names"] = [kind.bl_idname for kind in operators.CLASSES if "_OT_" in kind.__name__]
    addon.unregister()
    return out


class _Preferences:
    """Stands for the preferences' values."""

    def __init__(self) -> None:
        self.bl_rna = preferences.PosecorePreferences.bl_rna
        self.cache, self.id_data = "", None


common.run(main)
