"""docs/papers.md names only what is there: modules, commands, studies, pages."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from training.__main__ import COMMANDS
from training.schedules import SCHEDULES
from training.studies import STUDIES


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "papers.md").read_text(encoding="utf-8")


def found(dotted: str) -> bool:
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            place = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            place = getattr(place, name, None)
        return place is not None
    return False


def test_modules_are_there(page: str) -> None:
    names = set(re.findall(r"`((?:posecore|training)\.[\w.]+)", page))
    assert len(names) > 25
    assert [name for name in sorted(names) if not found(name)] == []


def test_commands_and_studies_are_there(page: str) -> None:
    commands = set(re.findall(r"python -m training ([a-z-]+)", page))
    assert {"evaluate", "analyse", "study", "sapnet"} <= commands <= set(COMMANDS)
    assert set(re.findall(r"(?<![a-z-])study ([a-z][a-z-]*)", page)) <= set(STUDIES)
    assert set(re.findall(r"--schedule ([\w+]+)", page)) <= set(SCHEDULES)


def test_links_are_there(page: str, root: Path) -> None:
    links = set(re.findall(r"\]\(([^)#]+)\)", page))
    assert [link for link in sorted(links) if not (root / "docs" / link).exists()] == []


def test_pictures_of_the_results_are_small(root: Path) -> None:
    for picture in (root / "docs" / "results" / "images").glob("*"):
        assert picture.stat().st_size <= 200_000, picture.name
