"""The built zip in clean Blenders: installed into an empty user folder, and a clip animated with nothing else of ours.

``POSECORE_EXTENSION_ZIP`` names the zip, ``POSECORE_CLEAN_BLENDERS`` Pythons (as in ``PATH``) that have bpy and numpy
and nothing of ours; skipped where one of the two is not set.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.blender import harness

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 2.0

#: Worst difference that is allowed: limb directions in degrees, positions in mm (None: the rig has other proportions).
ALLOWED = {"mixamo": (0.5, 5.0), "unreal": (0.5, 5.0), "unnamed": (0.5, 5.0), "rigify": (0.5, None)}


def clean_blenders() -> list[str]:
    """Where it is tried."""
    return [path for path in os.environ.get("POSECORE_CLEAN_BLENDERS", "").split(os.pathsep) if path]


def clips() -> list[Path]:
    """Videos with one person: our own, and a real one where the shared data is."""
    data = Path(os.environ.get("POSECORE_DATA") or ROOT.parent / "shared" / "data")
    found = [ROOT / "examples" / "walk.mp4", data / "video" / "sports2d_crop_walk.mp4"]
    return [path for path in found if path.is_file()]


@functools.cache
def result_of(blender: str, zip_path: str) -> dict[str, Any]:
    """Install and animate once a Blender; every test looks at one side of it."""
    with tempfile.TemporaryDirectory(prefix="posecore-clean-") as folder:
        return harness.run_in_blender(
            blender,
            "check_installed.py",
            zip_path,
            "|".join(map(str, clips())),
            SECONDS,
            timeout=400,
            extra_environment={"BLENDER_USER_RESOURCES": folder, "POSECORE_WEIGHTS": str(Path(folder) / "none")},
        )


@pytest.fixture(
    scope="module", params=clean_blenders() or [""], ids=lambda path: harness.version(path) if path else "none"
)
def installed(request: pytest.FixtureRequest) -> dict[str, Any]:
    zip_path = os.environ.get("POSECORE_EXTENSION_ZIP", "")
    if not zip_path or not request.param:
        pytest.skip(
            "needs POSECORE_EXTENSION_ZIP (a built zip) and POSECORE_CLEAN_BLENDERS (Pythons with bpy and numpy)"
        )
    return result_of(request.param, str(Path(zip_path).resolve()))


def test_it_brings_its_own_packages(installed: dict[str, Any]) -> None:
    assert set(installed["places"]) == {"av", "onnxruntime", "PIL", "posecore", "scipy", "ai_edge_litert"}
    for name, place in installed["places"].items():
        assert place.startswith(os.path.join(".local", "lib", "python3")), f"{name} comes from {place}"
    assert installed["addon"] == os.path.join("user_default", "posecore", "workflow.py")
    assert installed["tab"], "the scene has its settings"


def test_its_worker_runs_every_network(installed: dict[str, Any]) -> None:
    worker = installed["worker"]
    assert worker["kind"] == "done" and worker["ok"], worker
    assert {part["name"] for part in worker["results"]} == {"video", "blazepose", "sapnet", "smpl"}
    assert worker["about"]["numpy"] == installed["numpy"], "Blender's own numpy"
    assert [entry["origin"] for entry in worker["about"]["estimators"]] == ["shipped"] * 4


@pytest.mark.parametrize("kind", ALLOWED)
def test_a_clip_moves_the_rig(installed: dict[str, Any], kind: str) -> None:
    degrees, millimetres = ALLOWED[kind]
    assert len(installed["animated"]) == len(clips())
    for clip, found in installed["animated"].items():
        rig = found["rigs"][kind]
        assert "error" not in rig, f"{clip}: {rig['error']}"
        assert found["frames"] >= 0.9 * SECONDS * found["rate"]
        assert rig["keys"] > 20 * found["frames"] and rig["moved"] > 0.3
        assert rig["degrees"] < degrees, f"{clip}: {rig['worst_limb']} is {rig['degrees']:.2f} degrees off"
        if millimetres is not None:
            assert abs(rig["height"]) < 40
            assert rig["millimetres"] < millimetres, f"{clip}: {rig['worst_joint']} {rig['millimetres']:.1f} mm off"
