"""The rules of the house (docs/architecture.md): who may import whom, what a start costs, what a file may hold."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "posecore"

BASE = {"errors", "files", "proportions", "skeletons"}
VALUES = BASE | {"takes", "motion"}
RUNTIME_ROOMS = {"capturing", "solving", "retargeting", "formats", "drawing", "preview", "runtime"}
FACE = {"__init__", "__main__", "cli", "commands", "worker"}

#: Room -> the rooms it may import. The rooms of FACE may import all but nets, losses and metrics.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "skeletons": set(),
    "proportions": {"skeletons"},
    "files": {"errors"},
    "plain_pickle": {"errors"},
    "takes": BASE,
    "motion": BASE,
    "runtime": BASE,
    "capturing": BASE | {"runtime", "takes", "body"},
    "solving": VALUES,
    "retargeting": BASE | {"motion"},
    "body": VALUES | {"solving"},
    "formats": BASE | {"motion", "retargeting", "drawing", "body"},
    "drawing": BASE,
    "preview": VALUES | {"drawing", "retargeting", "formats", "capturing"},
    "nets": BASE,
    "losses": BASE,
    "metrics": BASE,
    **{room: VALUES | RUNTIME_ROOMS | {"body"} | FACE for room in FACE},
}
#: `Motion.save`, `Rig.from_…`, `RigMotion.save` and `BodyFit.save` are the public doors to the formats: the only
#: imports upwards.
UPWARDS = {
    (path, "formats") for path in ("motion.py", "retargeting/rig.py", "retargeting/rig_motion.py", "body/fitting.py")
}
TORCH_ROOMS = {"nets", "losses", "metrics", "body"}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_of(path: Path) -> str:
    first = path.relative_to(LIBRARY).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Dotted names of all modules that a file imports, anywhere in it; ``from x import y`` gives ``x.y``."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (prefix, node.module or "") if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


LIBRARY_FILES = python_files(LIBRARY)
OURS = [
    path
    for folder in ("posecore", "training", "smpl_assets", "addon", "benchmarks", "tools", "tests")
    for path in python_files(ROOT / folder)
]


def say(path: Path, what: str, node: ast.AST | None = None) -> str:
    """An offence, with its place."""
    line = f":{node.lineno}" if node is not None else ""  # type: ignore[attr-defined]
    return f"{path.relative_to(ROOT).as_posix()}{line}: {what}"


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(parse(path)) if isinstance(node, kinds))


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in LIBRARY_FILES} <= set(MAY_IMPORT)


def test_rooms_import_only_what_they_may() -> None:
    offences = []
    for path in LIBRARY_FILES:
        room = room_of(path)
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "posecore" or len(parts) < 2 or parts[1] in ("__version__", room):
                continue
            if parts[1] not in MAY_IMPORT[room] and (path.relative_to(LIBRARY).as_posix(), parts[1]) not in UPWARDS:
                offences.append(say(path, f"{room} may not import {name}"))
    assert not offences


def test_torch_stays_in_its_rooms_and_bpy_out() -> None:
    training_only = {"torch", "torchvision", "lightning_fabric", "roma", "onnx", "onnxscript", "safetensors"}
    nowhere = {"bpy", "mathutils", "smplx", "training", "addon", "benchmarks"}
    offences = []
    for path in LIBRARY_FILES:
        forbidden = nowhere if room_of(path) in TORCH_ROOMS else nowhere | training_only
        offences += [say(path, name) for name in imported(path) if name.split(".")[0] in forbidden]
    assert not offences


def test_modules_say_what_they_are_for() -> None:
    trees = {path: parse(path) for path in LIBRARY_FILES}
    assert not [say(path, "no docstring") for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)]


def _int(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


_PER_JOINT = {"joints", "joints_raw", "keypoints", "confidence", "rotations", "positions"}


def _names_a_joint_by_number(node: ast.Subscript) -> bool:
    """``joints[:, 3]`` or ``joints[:, 0, :]``; but the second index of a (J, 3) array may be x, y or z."""
    if not isinstance(node.slice, ast.Tuple) or len(node.slice.elts) < 2:
        return False
    second = node.slice.elts[1]
    axis = len(node.slice.elts) == 2 and ast.unparse(second) in ("0", "1", "2")
    name = getattr(node.value, "attr", getattr(node.value, "id", ""))
    return name in _PER_JOINT and _int(second) and not axis


def _looks_like_a_table_of_joints(node: ast.List | ast.Tuple) -> bool:
    """``[3, 2, 1, 4, 5, 6, 0, 7]``: eight or more different small numbers."""
    if len(node.elts) < 8 or not all(map(_int, node.elts)):
        return False
    values = [ast.literal_eval(item) for item in node.elts]
    return len(set(values)) == len(values) and all(0 <= value < 33 for value in values)


def test_no_joint_has_a_number_outside_skeletons() -> None:
    offences = []
    for path in LIBRARY_FILES:
        if path.name == "skeletons.py":
            continue
        for node in nodes(path, ast.Subscript, ast.List, ast.Tuple):
            bad = _names_a_joint_by_number if isinstance(node, ast.Subscript) else _looks_like_a_table_of_joints
            if bad(node):  # type: ignore[arg-type]
                offences.append(say(path, ast.unparse(node), node))
    assert not offences


def test_no_pickle() -> None:
    offences = []
    for path in OURS:
        picklers = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
        offences += [say(path, name) for name in imported(path) if name.split(".")[0] in picklers]
        for node in nodes(path, ast.Call):
            assert isinstance(node, ast.Call)
            function = ast.unparse(node.func)
            keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if function in ("np.load", "numpy.load") and keywords.get("allow_pickle") is True:
                offences.append(say(path, "allow_pickle", node))
            if function == "torch.load" and keywords.get("weights_only") is not True:
                offences.append(say(path, "torch.load without weights_only=True unpickles", node))
    assert not offences


def test_files_stay_readable() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in OURS}
    assert not [say(path, f"{lines} lines: split it by idea") for path, lines in lengths.items() if lines > 420]


def test_no_error_is_swallowed() -> None:
    offences = []
    for path in OURS:
        for node in nodes(path, ast.ExceptHandler):
            assert isinstance(node, ast.ExceptHandler)
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            if broad and all(isinstance(item, ast.Pass) for item in node.body):
                offences.append(say(path, "except … pass", node))
    assert not offences


# In two halves, so that this file does not find itself.
_MACHINE_PATH = re.compile(
    "|".join(["/wor" + r"k/\w", "/ro" + "ot/", "/op" + r"t/\w", "/ho" + r"me/\w", "/Use" + r"rs/\w", r"C:\\Us" + "ers"])
)


def test_no_paths_of_a_machine() -> None:
    folders = (
        "posecore",
        "training",
        "smpl_assets",
        "addon",
        "benchmarks",
        "tools",
        "tests",
        "docs",
        "examples",
        ".ci",
    )
    texts = {".py", ".md", ".toml", ".json", ".yml", ".yaml", ".txt", ".sh", ""}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*"))
    offences = []
    for path in files:
        if path.is_file() and path.suffix in texts and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            offences += [say(path, hit.group()) for hit in _MACHINE_PATH.finditer(text)]
    assert not offences


def test_links_in_the_docs_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    offences = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                offences.append(say(page, target))
    assert pages and not offences


def test_readme_holds_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("pip install ") and " && " in line] == [
        "pip install . && posecore animate examples/walk.mp4 -o walk.bvh --preview walk_preview.mp4",
        'pip install ".[test]" && pytest',
    ]


def run_fresh(code: str) -> str:
    """Output of ``code`` in a new interpreter, started at the top of the checkout."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_quick() -> None:
    # CPU seconds: the wall clock of a busy machine says nothing about us.
    code = "import time; begun = time.process_time(); import posecore; print(time.process_time() - begun)"
    assert min(float(run_fresh(code)) for _ in range(5)) < 0.3


def test_import_pulls_in_nothing_heavy() -> None:
    loaded = set(run_fresh("import sys, posecore; print(*sys.modules, sep='\\n')").split())
    assert not loaded & {"torch", "bpy", "numpy", "scipy", "onnxruntime", "av", "PIL", "tyro", "rich"}


def test_the_runtime_rooms_need_neither_torch_nor_bpy() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in python_files(LIBRARY)
        if room_of(path) not in TORCH_ROOMS and path.name != "__main__.py"
    )
    lines = "\n".join(f"import {name}" for name in modules)
    loaded = set(run_fresh(f"{lines}\nimport sys; print(*sys.modules, sep='\\n')").split())
    assert not loaded & {"torch", "bpy", "smplx", "mediapipe"}


def test_help_starts_quickly() -> None:
    code = (
        "import time; begun = time.process_time()\n"
        "import sys; from posecore.cli import run\n"
        "try:\n    run(['animate', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(time.process_time() - begun)"
    )
    assert min(float(run_fresh(code).split()[-1]) for _ in range(3)) < 1.0


def test_every_public_name_is_there() -> None:
    posecore = importlib.import_module("posecore")
    tree = parse(LIBRARY / "__init__.py")
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed | {"__version__"} == set(posecore.__all__), "the typed block and __all__ name the same"
    assert set(posecore.__all__) <= set(dir(posecore))
    for name in posecore.__all__:
        assert getattr(posecore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = posecore.Nothing


def test_public_things_have_docstrings() -> None:
    posecore = importlib.import_module("posecore")
    for name in posecore.__all__:
        value = getattr(posecore, name)
        if callable(value):
            assert value.__doc__ and not value.__doc__.startswith(f"{name}("), name


def test_addon_files_carry_their_licence() -> None:
    for path in python_files(ROOT / "addon"):
        assert "SPDX-License-Identifier: GPL-3.0-or-later" in path.read_text(encoding="utf-8"), path


def test_the_package_is_typed() -> None:
    assert (LIBRARY / "py.typed").is_file()
