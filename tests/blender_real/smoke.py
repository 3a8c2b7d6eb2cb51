"""What a real Blender must do with the built zip: each check is a function of a :class:`Box`, in order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.blender_real.box import CHECKOUT, DATA, WORK, Box, data_folder

__all__ = ["CHECKS"]

CLIP = f"{CHECKOUT}/examples/walk.mp4"
_SHORT = ["--start", "0", "--stop", "1.5", "--estimator", "blazepose"]


def installs(box: Box) -> str:
    """The zip goes in with one command, without a network."""
    done = box.blender("--command", "extension", "install-file", "-r", "user_default", "-e", f"{WORK}/posecore.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    listing = box.blender("--command", "extension", "list").stdout
    assert "posecore" in listing, listing
    return done.stdout.splitlines()[-1] if done.stdout else ""


def is_complete(box: Box) -> str:
    """Its packages are the zip's, its worker runs every network."""
    found = box.script("installed.py")
    for name, place in found["places"].items():
        assert "/extensions/.local/lib/python3" in place, f"{name} comes from {place}"
    worker = found["worker"]
    assert worker["kind"] == "done" and worker["ok"], worker
    speeds = [f"{r['name']} {r['milliseconds']:.0f} ms" for r in worker["results"] if "milliseconds" in r]
    return f"Blender {found['blender']}, Python {found['python']}, numpy {found['numpy']}; {', '.join(speeds)}"


def makes_scenes(box: Box) -> str:
    """A scene with rigs to animate; also proves that a file is saved and opened."""
    found = box.script("make_scenes.py", f"{WORK}/scene.blend", f"{WORK}/empty.blend", f"{WORK}/two_bones.blend")
    return ", ".join(found["rigs"])


def animates(box: Box) -> str:
    """The command of the issue, onto a generated Rigify rig; and the four other formats from the Take at hand."""
    told = []
    clip = f"{DATA}/video/sports2d_crop_walk.mp4" if data_folder() else CLIP
    done = box.blender(
        f"{WORK}/scene.blend", "--command", "posecore", "animate", "--video", clip, "--rig", "rig",
        "--output", f"{WORK}/out.blend", *_SHORT, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    found = box.script("look_at.py", "rig", blend=f"{WORK}/out.blend")
    assert found["keys"] > 1000 and found["moved"] > 0.2, found
    told.append(f"out.blend: {found['keys']} keys, slots: {found['slotted']}")
    for suffix in ("fbx", "glb", "bvh", "usd"):
        done = box.blender(
            f"{WORK}/scene.blend", "--command", "posecore", "animate", "--video", clip, "--rig", "Plain",
            "--output", f"{WORK}/out.{suffix}", *_SHORT, timeout=400,
        )  # fmt: skip
        path = box.work / f"out.{suffix}"
        if done.returncode and "this Blender" in done.stderr:
            told.append(f"{suffix}: {done.stderr.strip().splitlines()[-1]}")
            continue
        assert done.returncode == 0 and path.stat().st_size > 500, (
            f"{suffix}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        told.append(f"{suffix} {path.stat().st_size / 1000:.0f} kB")
    words = ["animate", "--video", clip, "--new-skeleton", "--output", f"{WORK}/new.blend", *_SHORT]
    done = box.blender(f"{WORK}/scene.blend", "--command", "posecore", *words)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return "; ".join([*told, "a new skeleton"])


def says_what_is_wrong(box: Box) -> str:
    """Wrong calls end with one clear line and the exit code that belongs to it; no file is left behind."""
    (box.work / "text.mp4").write_text("not a video")
    blend, empty, tiny = (f"{WORK}/{name}.blend" for name in ("scene", "empty", "two_bones"))
    out = ["--output", f"{WORK}/never.blend"]
    wrong = {
        "no such video": (3, [blend], ["--video", f"{WORK}/none.mp4", "--rig", "Plain", *out]),
        "not a video": (3, [blend], ["--video", f"{WORK}/text.mp4", "--rig", "Plain", *out]),
        "no such rig": (2, [blend], ["--video", CLIP, "--rig", "Nobody", *out]),
        "no armature": (2, [empty], ["--video", CLIP, *out]),
        "a rig of two bones": (1, [tiny], ["--video", CLIP, "--rig", "Tiny", *out]),
        "no such folder": (5, [blend], ["--video", CLIP, "--rig", "Plain", "--output", f"{WORK}/no/where.blend"]),
        "unknown suffix": (5, [blend], ["--video", CLIP, "--rig", "Plain", "--output", f"{WORK}/never.xyz"]),
        "unknown option": (2, [blend], ["--video", CLIP, "--nonsense", *out]),
        "no source": (2, [blend], ["--rig", "Plain", *out]),
    }
    for what, (code, opened, words) in wrong.items():
        done = box.blender(*opened, "--command", "posecore", "animate", *words)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
        told = f"{what}: exit code {done.returncode}, not {code}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        assert done.returncode == code, told
        assert len(lines) == 1 and "Traceback" not in done.stderr, told
    assert not list(box.work.glob("never*"))
    return f"{len(wrong)} wrong calls"


def runs_a_batch(box: Box) -> str:
    """Two clips, one of them broken: one report, exit code 1, and the good one done."""
    shutil.rmtree(box.work / "batch", ignore_errors=True)
    clips = [{"video": CLIP, "name": "good", "stop": 1.0}, {"video": f"{WORK}/none.mp4", "name": "bad"}]
    (box.work / "list.json").write_text(json.dumps(clips))
    words = ["posecore", "batch", f"{WORK}/list.json", "--rig", "Plain", "--output-dir", f"{WORK}/batch"]
    done = box.blender(f"{WORK}/scene.blend", "--command", *words, timeout=400)
    assert done.returncode == 1, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert (box.work / "batch" / "good.blend").is_file(), sorted(map(str, (box.work / "batch").rglob("*")))
    return "one done, one failed, reported"


def goes_away(box: Box) -> str:
    """Removing the extension takes its packages with it."""
    done = box.blender("--command", "extension", "remove", "posecore")
    assert done.returncode == 0, done.stdout + done.stderr
    left = [
        path for path in (box.work / "home").rglob("posecore") if path.is_dir() and "cache" not in str(path).lower()
    ]
    left = [path for path in left if any(child.suffix == ".py" for child in path.iterdir())]
    assert not left, f"left behind: {[str(path) for path in left]}"
    return ""


#: Name → check, in the order in which they must run.
CHECKS: dict[str, Callable[[Box], str]] = {
    check.__name__.replace("_", " "): check
    for check in (installs, is_complete, makes_scenes, animates, says_what_is_wrong, runs_a_batch, goes_away)
}


def tidy(folder: Path) -> None:
    """An empty work folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
