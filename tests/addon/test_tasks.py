"""The thread behind the sliders."""

from __future__ import annotations

import threading
import time

from addon.tasks import Tasks


def test_only_the_newest_of_a_name_counts() -> None:
    tasks, running, gate, told = Tasks(), threading.Event(), threading.Event(), []

    def slow() -> str:
        running.set()
        gate.wait(5)
        return "first"

    tasks.submit("solve", slow, lambda outcome: told.append(outcome.value))
    assert running.wait(5), "it runs before the next ones replace it"
    for value in ("second", "third"):
        tasks.submit("solve", lambda value=value: value, lambda outcome: told.append(outcome.value))
    tasks.submit("other", lambda: "other", lambda outcome: told.append(outcome.value))
    assert tasks.pending("solve") and tasks.pending("other") and not tasks.pending("nothing")
    assert tasks.drain() == 0, "nothing is ready yet, and nobody waits for it"
    gate.set()
    tasks.finish(5)
    assert told == ["third", "other"], "the one that ran was out of date when it ended, the second never ran"
    assert not tasks.busy
    tasks.stop()


def test_an_error_is_an_outcome() -> None:
    tasks, outcomes = Tasks(), []
    tasks.submit("solve", lambda: 1 / 0, outcomes.append)
    tasks.finish(5)
    assert isinstance(outcomes[0].error, ZeroDivisionError) and outcomes[0].value is None
    tasks.stop()


def test_outcomes_come_on_the_thread_that_drains() -> None:
    tasks, threads = Tasks(), []
    tasks.submit("solve", threading.get_ident, lambda out: threads.extend([out.value, threading.get_ident()]))
    tasks.finish(5)
    assert threads[0] != threading.get_ident() == threads[1]
    tasks.stop()


def test_dropped_and_stopped_tasks_stay_silent() -> None:
    tasks, told, others = Tasks(), [], set(threading.enumerate())
    tasks.submit("solve", lambda: time.sleep(0.05), told.append)
    tasks.drop("solve")
    tasks.finish(5)
    tasks.submit("solve", lambda: time.sleep(0.05), told.append)
    tasks.stop()
    assert not told and not tasks.busy
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name == "posecore"]
    tasks.submit("solve", lambda: 7, told.append)  # and it can begin anew
    tasks.finish(5)
    assert told[0].value == 7
    tasks.stop()
