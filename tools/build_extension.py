"""Build the Blender extension: one zip a platform, with everything in it that an animator needs.

Usage: python tools/build_extension.py --platform linux-x64 --output-dir dist

Run it from an environment with posecore in it (``pip install .``). The wheels of ``extension/wheels.toml`` come from
PyPI through pip and stay in the cache folder; a second build needs no network where hatchling is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

try:
    from posecore import __version__
    from posecore.errors import PosecoreError
    from posecore.files import atomic_path
    from tools.extension import checks, library, manifest, wheels
    from tools.extension.archive import addon_files, write_zip
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name} is missing: run this in an environment with posecore in it (pip install .)")


@dataclass(frozen=True)
class Build:
    """What one zip is to hold.

    Attributes:
        platform: one of :data:`wheels.PLATFORMS`.
        pythons: as ``"3.11"``.
        gpu: ``"directml"`` or None.
        blazepose: with BlazePose's files and what runs them.
    """

    platform: str
    pythons: tuple[str, ...] = wheels.DEFAULT_PYTHONS
    gpu: str | None = None
    blazepose: bool = True

    @property
    def file_name(self) -> str:
        """``posecore-0.1.0-linux-x64.zip``, with a word for everything that is not as usual."""
        words = [f"posecore-{__version__}", self.platform, *([self.gpu] if self.gpu else [])]
        if self.pythons != wheels.DEFAULT_PYTHONS:
            words += [f"py{python.replace('.', '')}" for python in self.pythons]
        return "-".join([*words, *([] if self.blazepose else ["without-blazepose"])]) + ".zip"


def build(plan: Build, own_wheel: Path, output_dir: Path, cache: Path, checker: Path | None) -> Path:
    """Make one zip, checked, atomically; returns its path.

    Raises:
        PosecoreError: a wheel cannot be had, or the zip is not what Blender wants. ``output_dir`` is then as it was.
    """
    table = wheels.read_table()
    chosen = wheels.choose(table, plan.platform, plan.pythons, gpu=plan.gpu, blazepose=plan.blazepose)
    paths = [own_wheel, *(wheels.fetch(wheel, cache) for wheel in chosen)]
    text = (ROOT / manifest.NAME).read_text(encoding="utf-8")
    files: dict[str, Path | bytes] = {**addon_files(ROOT / "addon")}
    files |= {f"wheels/{path.name}": path for path in paths}
    files["LICENSE"] = ROOT / "LICENSES" / "GPL-3.0-or-later.txt"
    files[manifest.NAME] = manifest.filled_in(text, plan.platform, [path.name for path in paths]).encode("utf-8")
    target = output_dir / plan.file_name
    with atomic_path(target) as temporary:
        write_zip(temporary, files)
        found = checks.faults(temporary, plan.platform, [path.name for path in paths])
        if checker is not None and not found:
            found = checks.blender_faults(checker, temporary)
        if found:
            raise PosecoreError(f"{target.name} is not right and was not kept: {'; '.join(found)}")
    return target


def own_wheel(blazepose: bool, folder: Path, cache: Path) -> Path:
    """posecore's own wheel, with BlazePose's files in it if asked for."""
    plain = library.build_wheel(ROOT, folder)
    if not blazepose:
        return library.repack(plain, {}, folder)
    source = next(wheel for wheel in wheels.read_table() if wheel.project == "mediapipe")
    return library.repack(plain, library.blazepose_files(source, cache), folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build_extension.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--platform", choices=[*wheels.PLATFORMS, "all"], help="which zip to build")
    parser.add_argument("--output-dir", type=Path, default=Path("dist"), help="where the zips go (default: dist)")
    parser.add_argument("--python", action="append", metavar="3.11", help="for these Pythons only; may be repeated")
    parser.add_argument("--gpu", choices=list(wheels.GPU), help="the graphics card's onnxruntime (windows-x64)")
    parser.add_argument("--without-blazepose", action="store_true", help="leave out BlazePose and what runs it")
    parser.add_argument("--cache", type=Path, default=_default_cache(), help="downloaded wheels (default: %(default)s)")
    parser.add_argument("--blender-ext", type=Path, help="Blender's own checker, …/bl_pkg/cli/blender_ext.py")
    parser.add_argument("--refresh-table", action="store_true", help="write the sha256 of tools/extension/wheels.toml")
    return parser


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "posecore" / "wheels"


def _plans(options: argparse.Namespace) -> list[Build]:
    platforms = wheels.PLATFORMS if options.platform == "all" else (options.platform,)
    pythons = tuple(options.python or wheels.DEFAULT_PYTHONS)
    plans = [Build(name, pythons, options.gpu, not options.without_blazepose) for name in platforms]
    if options.gpu and options.platform == "all":
        raise PosecoreError(f"--gpu {options.gpu} is for {wheels.GPU[options.gpu][0]}; name that --platform")
    return plans


def run(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Raises:
        PosecoreError: with one line for the user.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.refresh_table:
        print(f"{wheels.TABLE.name}: {wheels.refresh(options.cache)} wheels")
        return 0
    if options.platform is None:
        parser.error("--platform is needed")
    plans = _plans(options)
    version = manifest.read_manifest(ROOT / manifest.NAME).get("version")
    if version != __version__:
        raise PosecoreError(f"{manifest.NAME} says version {version}, posecore is {__version__}: make them one")
    checker = options.blender_ext or checks.blender_checker()
    if options.blender_ext is not None and not options.blender_ext.is_file():
        raise PosecoreError(f"--blender-ext {options.blender_ext}: no such file")
    for plan in plans:  # a missing row is said before anything is downloaded
        wheels.choose(wheels.read_table(), plan.platform, plan.pythons, gpu=plan.gpu, blazepose=plan.blazepose)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
        own = own_wheel(not options.without_blazepose, Path(folder), options.cache)
        for plan in plans:
            path = build(plan, own, options.output_dir, options.cache, checker)
            print(f"{path.stat().st_size / 1e6:7.1f} MB  {path}")
    print(
        "checked with Blender's own checker" if checker else "checked without Blender (no bpy here; see --blender-ext)"
    )
    return 0


def main() -> None:
    """Run the command; a failure is one line and exit code 1."""
    try:
        sys.exit(run())
    except (PosecoreError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
