# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker reports, as errors that a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from posecore.errors import PosecoreError

    from .worker_client import Event

__all__ = ["concerns", "error_of", "message_of", "progress_of", "raise_for", "self_test_line"]


def concerns(event: Event, job: str) -> bool:
    """Whether an event is about that job; a crash takes several along."""
    return event.job == job or job in event.values.get("jobs", ())


def error_of(event: Event) -> PosecoreError:
    """The error that an ``error`` or ``crashed`` event stands for."""
    from posecore import errors

    message = str(event.values.get("message") or event.values.get("text") or "")
    if event.kind == "crashed":
        return errors.PosecoreError(message or "the worker process stopped; press Restart Worker in the preferences")
    kind = getattr(errors, str(event.values.get("kind", "")), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.PosecoreError)):
        kind = errors.PosecoreError
    return kind(message or "the worker could not do it and did not say why")


def raise_for(event: Event) -> NoReturn:
    """Raise :func:`error_of`."""
    raise error_of(event)


def message_of(event: Event) -> str:
    """The one line of a warning or a log event."""
    return str(event.values.get("text") or event.values.get("message") or "")


def progress_of(event: Event) -> tuple[int, int | None, float, float | None]:
    """Frames done, frames expected (or None), frames a second, seconds left (or None)."""
    values = event.values
    return (
        int(values.get("done") or 0),
        values.get("total"),
        float(values.get("fps") or 0.0),
        values.get("seconds_left"),
    )


def self_test_line(event: Event) -> str:
    """The end of a self-test in one line."""
    if event.kind != "done":
        return f"failed: {error_of(event)}"
    results = event.values.get("results") or []
    parts = [_tested(result) for result in results if isinstance(result, dict)]
    head = "passed" if event.values.get("ok") else "failed"
    return f"{head}: {'; '.join(parts)}" if parts else head


def _tested(result: dict[str, Any]) -> str:
    name = str(result.get("name") or "?")
    if not result.get("ok", True):
        reason = str(result.get("message") or "no reason given").removeprefix("failed: ")
        return f"not {name} ({reason})"
    where = f" on {result['provider']}" if result.get("provider") else ""
    speed = result.get("milliseconds")
    return f"{name}{where}" + (f", {float(speed):.0f} ms a frame" if speed else "")
