"""The tool that builds the Blender extension, without the network: small stand-ins for the wheels.

A zip that was really built is looked at where ``POSECORE_EXTENSION_ZIP`` names one (as ``.ci/run`` does).
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from posecore import __version__
from posecore.errors import PosecoreError
from posecore.runtime import weights
from tools import build_extension
from tools.extension import archive, checks, library, manifest, wheels

ROOT = Path(__file__).resolve().parent.parent
TABLE = wheels.read_table()

MANIFEST = """\
schema_version = "1.0.0"
id = "posecore"
version = "0.1.0"
name = "posecore"
tagline = "Video to animation"
maintainer = "Somebody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]

[permissions]
files = "Read videos"
"""


def make_wheel(path: Path, files: dict[str, bytes] | None = None) -> Path:
    """A small pure wheel at ``path`` (which names project and version), as hatchling lays it out."""
    project, version = path.name.split("-")[:2]
    info = f"{project}-{version}.dist-info"
    inside = {f"{project}/__init__.py": b"", **(files or {})}
    inside[f"{info}/METADATA"] = f"Metadata-Version: 2.4\nName: {project}\nVersion: {version}\n\nVersion: 9\n".encode()
    inside[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    inside[f"{info}/RECORD"] = b""
    with zipfile.ZipFile(path, "w") as target:
        for name, data in inside.items():
            target.writestr(zipfile.ZipInfo(name), data)  # of 1980, not of now
    return path


def make_library(folder: Path) -> Path:
    return make_wheel(folder / f"posecore-{__version__}-py3-none-any.whl", {"posecore/py.typed": b""})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with an add-on of two files, and wheels that are had without pip."""
    top = tmp_path / "checkout"
    (top / "addon" / "operators").mkdir(parents=True)
    (top / "LICENSES").mkdir()
    (top / "addon" / "__init__.py").write_text("register = print\n")
    (top / "addon" / "operators" / "apply.py").write_text("x = 1\n")
    (top / "LICENSES" / "GPL-3.0-or-later.txt").write_text("the licence\n")
    (top / manifest.NAME).write_text(MANIFEST.replace("0.1.0", __version__))

    def fetch(wheel: wheels.Wheel, cache: Path) -> Path:
        cache.mkdir(exist_ok=True)
        return make_wheel(cache / wheel.file)

    monkeypatch.setattr(build_extension, "ROOT", top)
    monkeypatch.setattr(wheels, "fetch", fetch)
    monkeypatch.setattr(library, "build_wheel", lambda _top, folder: make_library(folder))
    monkeypatch.setattr(library, "blazepose_files", lambda _source, _cache: {})
    monkeypatch.setattr(checks, "blender_checker", lambda: None)
    monkeypatch.setattr(build_extension, "_default_cache", lambda: tmp_path / "cache")  # the real one is not ours
    return top


# -- the table


def test_table_has_a_wheel_for_every_platform_and_python() -> None:
    for platform in wheels.PLATFORMS:
        for python in wheels.DEFAULT_PYTHONS:
            chosen = {wheel.project: wheel for wheel in wheels.choose(TABLE, platform, [python])}
            assert set(chosen) == {"ai_edge_litert", "av", "onnxruntime", "pillow", "scipy"}
            for wheel in chosen.values():
                tag, abi, _ = wheel.tags
                number = "cp" + python.replace(".", "")
                assert (tag, abi) == (number, number) or (abi == "abi3" and int(tag[3:]) <= int(number[3:]))


def test_table_rows_are_what_they_say() -> None:
    assert len({wheel.file for wheel in TABLE}) == len(TABLE)
    begins = {"linux-x64": "manylinux", "windows-x64": "win_amd64", "macos-arm64": "macosx", "unpacked": "manylinux"}
    for wheel in TABLE:
        python, abi, platforms = wheel.tags
        assert all(tag.startswith(begins[wheel.platform]) for tag in platforms)
        assert wheel.platform != "linux-x64" or all(tag.endswith("_x86_64") for tag in platforms)
        assert wheel.platform != "macos-arm64" or all(tag.endswith("_arm64") for tag in platforms)
        assert len(wheel.sha256) == 64 and int(wheel.sha256, 16)
        if abi != "abi3":
            assert (python, wheel.pythons) == (abi, (f"3.{abi[3:]}",))
    versions = {(wheel.project, wheel.version) for wheel in TABLE}
    assert len(versions) == len({project for project, _ in versions}), "one version of each on all platforms"


def test_the_mediapipe_wheel_is_the_one_that_the_library_takes_blazepose_from() -> None:
    row = next(wheel for wheel in TABLE if wheel.project == "mediapipe")
    assert weights.ADDABLE["blazepose"].requirement == f"mediapipe=={row.version}"


def test_numpy_is_blenders_own() -> None:
    assert not [wheel for wheel in TABLE if wheel.project == "numpy"]
    cache = build_extension._default_cache()
    requirements = pytest.importorskip("packaging.requirements")
    for wheel in TABLE:
        path = cache / wheel.file
        if wheel.platform == "unpacked" or not path.is_file():
            continue
        with zipfile.ZipFile(path) as opened:
            name = next(name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
            lines = opened.read(name).decode("utf-8").splitlines()
        needs = [requirements.Requirement(line[15:]) for line in lines if line.startswith("Requires-Dist: numpy")]
        for need in needs:
            if need.marker is None:
                for version in ("1.26.4", "2.3.0"):
                    assert need.specifier.contains(version), f"{wheel.file} does not take numpy {version}"


def test_choosing() -> None:
    both = wheels.choose(TABLE, "linux-x64", ["3.11", "3.13"])
    assert [wheel.project for wheel in both].count("av") == 1, "its one wheel is for both"
    assert [wheel.project for wheel in both].count("scipy") == 2
    without = wheels.choose(TABLE, "linux-x64", ["3.11"], blazepose=False)
    assert "ai_edge_litert" not in {wheel.project for wheel in without}
    card = {wheel.project for wheel in wheels.choose(TABLE, "windows-x64", ["3.11"], gpu="directml")}
    assert "onnxruntime_directml" in card and "onnxruntime" not in card
    with pytest.raises(PosecoreError, match="directml is for windows-x64, not linux-x64"):
        wheels.choose(TABLE, "linux-x64", ["3.11"], gpu="directml")
    with pytest.raises(PosecoreError, match=r"no wheel on macos-arm64 of .*av for Python 3\.9"):
        wheels.choose(TABLE, "macos-arm64", ["3.9"])


# -- getting wheels


def row_of(data: bytes, file: str = "av-1.0-cp311-abi3-win_amd64.whl") -> wheels.Wheel:
    return wheels.Wheel(file, hashlib.sha256(data).hexdigest(), "windows-x64", ("3.11",))


def test_a_wheel_in_the_cache_is_not_downloaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = row_of(b"good")
    (tmp_path / wheel.file).write_bytes(b"good")
    monkeypatch.setattr(wheels, "_download", lambda *_: pytest.fail("downloaded"))
    assert wheels.fetch(wheel, tmp_path).read_bytes() == b"good"


def test_a_spoilt_wheel_is_downloaded_again_and_a_wrong_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = row_of(b"good")
    (tmp_path / wheel.file).write_bytes(b"half")
    monkeypatch.setattr(wheels, "_download", lambda row, cache: (cache / row.file).write_bytes(b"good"))
    assert wheels.fetch(wheel, tmp_path).read_bytes() == b"good"
    (tmp_path / wheel.file).unlink()
    monkeypatch.setattr(wheels, "_download", lambda row, cache: (cache / row.file).write_bytes(b"evil"))
    with pytest.raises(PosecoreError, match="sha256 differs"):
        wheels.fetch(wheel, tmp_path)
    assert not (tmp_path / wheel.file).exists()


def test_pip_is_asked_for_exactly_that_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(wheels, "run_pip", lambda command, what: asked.append(list(command)))
    wheels._download(row_of(b"", "ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_x86_64.whl"), tmp_path)
    assert {"--python-version=3.11", "--abi=cp311", "--platform=manylinux_2_27_x86_64", "--no-deps"} < set(asked[0])
    assert asked[0][-1] == "ai-edge-litert==2.3.0"


def test_failures_of_pip_are_one_line() -> None:
    def says(code: str) -> str:
        with pytest.raises(PosecoreError) as caught:
            wheels.run_pip([sys.executable, "-c", code], "download x.whl")
        return str(caught.value)

    told = says("import sys; sys.exit('ERROR: no matching distribution')")
    assert told.count("\n") == 0 and "could not download x.whl (ERROR: no matching distribution)" in told
    assert says("import sys; sys.exit('No module named pip')").startswith("no pip in ")
    assert "(it said nothing)" in says("raise SystemExit(1)")


def test_refreshing_writes_the_sums_of_what_pypi_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "wheels.toml"
    row = '[[wheel]]\nfile = "{0}-1-py3-none-any.whl"\nsha256 = "old"\nplatform = "linux-x64"\npython = ["3.11"]\n'
    table.write_text(f"# kept\n{row.format('av')}\n{row.format('scipy')}")
    monkeypatch.setattr(wheels, "_download", lambda wheel, cache: (cache / wheel.file).write_text(wheel.project))
    assert wheels.refresh(tmp_path, table) == 2
    assert [wheel.sha256 for wheel in wheels.read_table(table)] == [
        hashlib.sha256(name).hexdigest() for name in (b"av", b"scipy")
    ]
    assert table.read_text().startswith("# kept\n")


# -- the parts of the zip


def test_manifest_is_filled_in_and_otherwise_as_it_was() -> None:
    before = tomllib.loads(MANIFEST)
    after = tomllib.loads(manifest.filled_in(MANIFEST, "linux-x64", ["b.whl", "a.whl"]))
    assert after.pop("platforms") == ["linux-x64"]
    assert after.pop("wheels") == ["./wheels/a.whl", "./wheels/b.whl"]
    assert after == before
    flat = MANIFEST.partition("[permissions]")[0]
    assert tomllib.loads(manifest.filled_in(flat, "macos-arm64", []))["platforms"] == ["macos-arm64"]


def test_manifest_of_the_checkout() -> None:
    path = ROOT / manifest.NAME
    values = manifest.read_manifest(path)
    assert values["id"] == "posecore"
    assert values["version"] == __version__
    assert values["license"] == ["SPDX:GPL-3.0-or-later"]
    filled = tomllib.loads(manifest.filled_in(path.read_text(encoding="utf-8"), "linux-x64", []))
    assert not checks._manifest_faults(filled, "linux-x64")


def test_manifest_with_wheels_of_its_own_is_refused(tmp_path: Path) -> None:
    path = tmp_path / manifest.NAME
    path.write_text('wheels = ["./wheels/x.whl"]\n' + MANIFEST)
    with pytest.raises(PosecoreError, match="take out wheels"):
        manifest.read_manifest(path)


def test_what_of_the_addon_goes_in(tmp_path: Path) -> None:
    for name in ("__init__.py", "icons/a.png", "presets/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    for name in ("__pycache__/a.pyc", "tests/test_a.py", ".hidden/a", ".swp", "a.py~", "a.py.orig"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert list(archive.addon_files(tmp_path)) == ["__init__.py", "icons/a.png", "presets/x.json"]


def test_zips_do_not_depend_on_time_or_order(tmp_path: Path) -> None:
    for name, when in (("one", 1_000_000_000), ("two", 1_700_000_000)):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, (when, when))
    archive.write_zip(tmp_path / "1.zip", {"b": tmp_path / "one", "a": b"first"})
    archive.write_zip(tmp_path / "2.zip", {"a": b"first", "b": tmp_path / "two"})
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as opened:
        assert opened.namelist() == ["a", "b"] and opened.read("b") == b"same"


def test_the_library_is_repacked_with_a_version_of_its_own(tmp_path: Path) -> None:
    plain = make_library(tmp_path)
    extra = {"posecore/runtime/weights/a.txt": b"more"}
    (tmp_path / "out").mkdir()
    path = library.repack(plain, extra, tmp_path / "out")
    _, version, tags = path.name.split("-", 2)
    assert version.startswith(f"{__version__}+") and tags == "py3-none-any.whl"
    with zipfile.ZipFile(path) as opened:
        info = f"posecore-{version}.dist-info"
        assert opened.read("posecore/runtime/weights/a.txt") == b"more"
        text = opened.read(f"{info}/METADATA").decode()
        assert f"\nVersion: {version}\n" in text and text.endswith("\n\nVersion: 9\n"), "the header only"
        rows = [line.split(",") for line in opened.read(f"{info}/RECORD").decode().splitlines()]
        assert {row[0] for row in rows} == set(opened.namelist())
        for name, digest, size in rows:
            if not name.endswith("/RECORD"):
                data = opened.read(name)
                value = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                assert (digest, int(size)) == (f"sha256={value}", len(data))
    assert library.repack(plain, extra, tmp_path / "out").read_bytes() == path.read_bytes()
    other = library.repack(plain, {"posecore/runtime/weights/a.txt": b"less"}, tmp_path / "out")
    assert other.name != path.name, "other contents, another version"


def test_the_users_weights_store_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS", "kept")
    with pytest.raises(RuntimeError), library._weights_store("other"):
        assert os.environ["POSECORE_WEIGHTS"] == "other"
        raise RuntimeError
    assert os.environ["POSECORE_WEIGHTS"] == "kept"


# -- the whole


def test_a_whole_build(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--platform", "all", "--output-dir", str(tmp_path / "dist"), "--cache", str(tmp_path / "cache")]
    assert build_extension.run(arguments) == 0
    said = capsys.readouterr().out
    for platform in wheels.PLATFORMS:
        path = tmp_path / "dist" / f"posecore-{__version__}-{platform}.zip"
        assert path.name in said
        with zipfile.ZipFile(path) as opened:
            names = set(opened.namelist())
            values = tomllib.loads(opened.read(manifest.NAME).decode())
        assert {"__init__.py", "operators/apply.py", "LICENSE", manifest.NAME} < names
        assert {f"./{name}" for name in names if name.startswith("wheels/")} == set(values["wheels"])
        assert values["platforms"] == [platform]
        assert len([name for name in names if name.startswith("wheels/posecore-")]) == 1
    first = {path.name: path.read_bytes() for path in (tmp_path / "dist").iterdir()}
    assert build_extension.run(arguments) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "dist").iterdir()} == first


def test_names_of_zips() -> None:
    begin = f"posecore-{__version__}"
    assert build_extension.Build("linux-x64").file_name == f"{begin}-linux-x64.zip"
    assert build_extension.Build("windows-x64", gpu="directml").file_name == f"{begin}-windows-x64-directml.zip"
    assert build_extension.Build("linux-x64", ("3.14",)).file_name == f"{begin}-linux-x64-py314.zip"
    small = build_extension.Build("macos-arm64", blazepose=False)
    assert small.file_name == f"{begin}-macos-arm64-without-blazepose.zip"


def test_a_zip_that_is_not_right_is_not_kept(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "faults", lambda *_: ["something is wrong"])
    with pytest.raises(PosecoreError, match="something is wrong"):
        build_extension.run(["--platform", "linux-x64", "--output-dir", str(tmp_path / "dist")])
    assert not list((tmp_path / "dist").iterdir())


def test_wrong_requests(checkout: Path, tmp_path: Path) -> None:
    out = ["--output-dir", str(tmp_path / "dist")]
    with pytest.raises(SystemExit, match="2"):
        build_extension.run(["--platform", "amiga", *out])
    with pytest.raises(PosecoreError, match="name that --platform"):
        build_extension.run(["--platform", "all", "--gpu", "directml", *out])
    with pytest.raises(PosecoreError, match="no such file"):
        build_extension.run(["--platform", "linux-x64", "--blender-ext", str(tmp_path / "none.py"), *out])
    (checkout / manifest.NAME).write_text(MANIFEST.replace("0.1.0", "7.0.0"))
    with pytest.raises(PosecoreError, match=r"says version 7\.0\.0"):
        build_extension.run(["--platform", "linux-x64", *out])


def test_checks_find_what_is_wrong(checkout: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "av-1.0-cp311-abi3-win_amd64.whl")

    def faults_of(files: dict[str, bytes | Path], platform: str = "windows-x64") -> str:
        archive.write_zip(tmp_path / "x.zip", files)
        return "; ".join(checks.faults(tmp_path / "x.zip", platform, [wheel.name]))

    text = manifest.filled_in(MANIFEST, "windows-x64", [wheel.name])
    good: dict[str, bytes | Path] = {"__init__.py": b"", manifest.NAME: text.encode(), f"wheels/{wheel.name}": wheel}
    assert faults_of(good) == ""
    assert "does not belong" in faults_of({**good, "a/__pycache__/b.pyc": b""})
    assert "__init__.py is missing" in faults_of({name: data for name, data in good.items() if name != "__init__.py"})
    assert "in the manifest, not in the zip" in faults_of({name: good[name] for name in list(good)[:2]})
    assert "in the zip, not in the manifest" in faults_of({**good, "wheels/b-1-py3-none-any.whl": b""})
    assert "not for linux-x64" in faults_of(good, "linux-x64")
    spoilt = text.replace("Read videos", "Read videos.").replace("Video to animation", "Long " * 20)
    assert "permission files" in faults_of({**good, manifest.NAME: spoilt.encode()})
    assert "tagline" in faults_of({**good, manifest.NAME: spoilt.encode()})


def test_without_posecore_the_tool_says_so(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "build_extension.py").write_bytes((ROOT / "tools" / "build_extension.py").read_bytes())
    command = [sys.executable, "-I", "-S", str(tmp_path / "tools" / "build_extension.py"), "--platform", "linux-x64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "pip install ." in done.stderr and "Traceback" not in done.stderr


# -- a zip that was really built


@pytest.fixture
def built() -> Path:
    path = os.environ.get("POSECORE_EXTENSION_ZIP")
    if not path:
        pytest.skip("POSECORE_EXTENSION_ZIP names no built extension")
    return Path(path)


def test_the_built_zip_holds_the_addon_and_the_weights(built: Path) -> None:
    with zipfile.ZipFile(built) as opened:
        names = set(opened.namelist())
        values = tomllib.loads(opened.read(manifest.NAME).decode("utf-8"))
        own = next(name for name in names if name.startswith("wheels/posecore-"))
        with zipfile.ZipFile(io.BytesIO(opened.read(own))) as inner:
            inside = set(inner.namelist())
            card = inner.read("posecore/runtime/weights/blazepose.json").decode("utf-8")
    assert values["version"] == __version__
    assert not checks.faults(built, values["platforms"][0], [])
    folder = "posecore/runtime/weights/blazepose"
    assert {f"{folder}/LICENSE", f"{folder}/NOTICE", f"{folder}/pose_landmark_full.tflite"} < inside
    assert f'"rank": {weights.ADDABLE["blazepose"].card.rank}' in card, "the card of the code, not an old one"
    assert {"__init__.py", "LICENSE"} < names and not [name for name in names if "__pycache__" in name]
