"""Fixtures of the tests that need a Blender."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blender import harness


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for ``blender`` runs once under every Blender at hand."""
    if "blender" in metafunc.fixturenames:
        found = harness.blenders()
        missing = pytest.param("", marks=pytest.mark.skip("no Blender: install bpy, or set POSECORE_BLENDERS"))
        metafunc.parametrize(
            "blender", found or [missing], ids=[harness.version(one) for one in found] or ["none"], scope="session"
        )


@pytest.fixture
def run(blender: str):
    """``run(script, *arguments, timeout=…)`` → the script's result, under the Blender of this test."""

    def call(script: str | Path, *arguments: object, **options: object) -> dict:
        return harness.run_in_blender(blender, script, *arguments, **options)

    return call
