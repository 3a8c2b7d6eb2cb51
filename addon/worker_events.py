# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker reports, as errors that a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from posecore.errors import PosecoreError

    from .worker_client import Event

__all__ = ["error_of", "message_of", "progress_of", "raise_for"]


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
