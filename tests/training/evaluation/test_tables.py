"""Markdown and CSV; the papers' figures as they are printed."""

from __future__ import annotations

import csv

import pytest

from training.evaluation import published
from training.evaluation.tables import Table, cell, markdown, write_tables

TABLE = Table("t", "A title", [{"a": "x|y", "b": 1.25}, {"a": "z", "c": 3}, {"b": float("nan")}], ["A note."])


@pytest.mark.parametrize(
    ("value", "text"), [(1.26, "1.3"), (3, "3"), (None, "–"), (float("nan"), "–"), ("a|b", "a\\|b"), (-0.04, "-0.0")]
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


def test_markdown_has_every_column_and_a_dash_where_nothing_is() -> None:
    assert markdown(TABLE).splitlines() == [
        "## A title",
        "",
        "| a | b | c |",
        "|---|---|---|",
        "| x\\|y | 1.2 | – |",
        "| z | – | 3 |",
        "| – | – | – |",
        "",
        "- A note.",
    ]


def test_files(tmp_path) -> None:
    page, table = write_tables(tmp_path, "page", "Heading", "python -m training evaluate page", [TABLE])
    assert page.read_text().startswith("# Heading\n\n    python -m training evaluate page\n\n## A title\n")
    with open(table, newline="") as stream:
        assert list(csv.reader(stream)) == [["a", "b", "c"], ["x|y", "1.25", ""], ["z", "", "3"], ["", "", ""]]


def test_zhous_actions_agree_with_their_averages() -> None:
    """A misprint would show: the mean over actions is within 1.5 mm of the mean over frames."""
    assert list(published.ZHOU_H36M) == list(published.ZHOU_SETTINGS)
    for actions in published.ZHOU_H36M.values():
        values = [value for action, value in actions.items() if action != "Average"]
        assert len(values) == 15
        assert sum(values) / 15 == pytest.approx(actions["Average"], abs=1.5)


def test_other_published_figures() -> None:
    assert published.ZHOU_3DHP["3D+2D/w geo"]["All"] == 69.2 and published.ZHOU_3DHP["3D+2D/w geo"]["AUC"] == 32.5
    assert all(published.GEOMETRY_MM["3D+2D/w geo"][k] < v for k, v in published.GEOMETRY_MM["3D+2D/wo geo"].items())
    assert list(published.DABRAL.values()) == [58.5, 58.3, 56.2, 55.5, 52.1, 51.1, 54.05]
    assert len(published.AVERAGE_JOINT_DISTANCE) == 14
