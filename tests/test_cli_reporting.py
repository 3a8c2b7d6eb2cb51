"""Progress for people with and without a terminal, and for machines."""

from __future__ import annotations

import io
import json

from rich.console import Console

from posecore.commands import reporting
from posecore.commands.reporting import Reporter


def test_lines_without_a_terminal_are_few(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    reporter = Reporter()
    for done in range(1, 1001):
        now[0] += 0.025
        reporter.progress("capture", done, 1000, 40.0)
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 8, "one in five seconds, of 25 seconds"
    assert lines[0] == "capture: 1/1000 frames, 40.0 frames/s, 25 s left"
    assert lines[-1] == "capture: 1000/1000 frames, 40.0 frames/s, 0 s left"


def test_an_unknown_length_has_no_time_left(capsys) -> None:
    Reporter().progress("capture", 7, None, 0.0)
    assert capsys.readouterr().err == "capture: 7 frames, 0.0 frames/s\n"


def test_a_terminal_gets_a_bar(monkeypatch) -> None:
    stream = io.StringIO()
    reporter = Reporter()
    reporter._console = Console(file=stream, force_terminal=True, width=100, highlight=False, soft_wrap=True)
    for done in range(1, 11):
        reporter.progress("capture", done, 10, 41.5)
    reporter.warning("feet slide")
    reporter.progress("preview", 1, None, 12.0)
    reporter.close()
    text = stream.getvalue()
    assert "capture" in text and "10/10" in text and "41.5 frames/s" in text and "feet slide" in text
    assert "preview" in text and "12.0 frames/s" in text


def test_machines_get_json_and_every_stage_its_end(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    reporter = Reporter(machine=True)
    for stage in ("capture", "preview"):
        for done in range(1, 101):
            now[0] += 0.01
            reporter.progress(stage, done, 100, 100.0)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) < 20
    assert [line["done"] for line in lines if line["done"] in (1, 100)] == [1, 100, 1, 100]
    assert lines[0]["left"] == 1.0


def test_track_passes_everything_on(capsys) -> None:
    reporter = Reporter(machine=True)
    assert list(reporter.track("abc", "preview", 3)) == ["a", "b", "c"]
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["stage"], last["done"], last["total"]) == ("preview", 3, 3)


def test_text_of_people_is_silent_for_machines(capsys) -> None:
    reporter = Reporter(machine=True)
    reporter.say("just for people")
    reporter.error("one\ntwo", "SourceError", 3)
    said = capsys.readouterr()
    assert said.err == ""
    assert json.loads(said.out) == {"event": "error", "text": "one two", "kind": "SourceError", "exit_code": 3}
