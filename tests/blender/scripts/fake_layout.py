"""A stand-in for ``UILayout`` that refuses what the real one would refuse, and remembers what was drawn."""

from __future__ import annotations

import types
from typing import Any

import bpy

_ICONS = {item.identifier for item in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items}
#: What may be set on a layout.
_ATTRIBUTES = {name for name in bpy.types.UILayout.bl_rna.properties.keys()}  # noqa: C416, SIM118


class FakeLayout:
    """Draw into it; ``drawn`` has one tuple a call."""

    def __init__(self, drawn: list[tuple[Any, ...]] | None = None) -> None:
        object.__setattr__(self, "drawn", [] if drawn is None else drawn)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in _ATTRIBUTES, f"a layout has no {name}"

    def _part(self, *_: Any, **__: Any) -> FakeLayout:
        return FakeLayout(self.drawn)

    row = column = box = split = _part

    def separator(self, **_: Any) -> None:
        """Space."""

    def label(self, text: str = "", icon: str = "NONE", **_: Any) -> None:
        assert isinstance(text, str)
        assert icon in _ICONS, icon
        self.drawn.append(("label", text, icon))

    def prop(self, data: Any, name: str, text: str | None = None, icon: str = "NONE", **_: Any) -> None:
        assert name in data.bl_rna.properties, f"{data} has no {name}"
        getattr(data, name)
        self.drawn.append(("prop", name, data.bl_rna.properties[name].description))

    def prop_search(self, data: Any, name: str, search: Any, collection: str, **_: Any) -> None:
        assert name in data.bl_rna.properties, name
        assert collection in search.bl_rna.properties, collection
        self.drawn.append(("prop", name, data.bl_rna.properties[name].description))

    def operator(self, name: str, text: str | None = None, icon: str = "NONE", **_: Any) -> types.SimpleNamespace:
        room, verb = name.split(".")
        kind = getattr(getattr(bpy.ops, room), verb).get_rna_type()
        assert icon in _ICONS, icon
        self.drawn.append(("operator", name, kind.description))
        return types.SimpleNamespace()

    def progress(self, text: str = "", factor: float = 0.0, type: str = "BAR") -> None:
        assert 0.0 <= factor <= 1.0 and type in ("BAR", "RING")
        self.drawn.append(("progress", text, factor))

    def template_list(self, name: str, _: str, data: Any, items: str, active: Any, index: str, **__: Any) -> None:
        assert items in data.bl_rna.properties and index in active.bl_rna.properties
        kind = getattr(bpy.types, name)
        for item in getattr(data, items):
            kind.draw_item(kind_of(kind, self), bpy.context, self, data, item, 0, active, index)


def kind_of(kind: type, layout: FakeLayout) -> Any:
    """Something that looks like an instance of a panel or list with that layout."""

    class Stand:
        def __getattr__(self, name: str) -> Any:
            found = getattr(kind, name)
            return types.MethodType(found, self) if isinstance(found, types.FunctionType) else found

    stand = Stand()
    stand.layout = layout
    return stand


def draw(panel: type) -> list[tuple[Any, ...]]:
    """What a panel draws now; [] where its poll says no."""
    if hasattr(panel, "poll") and not panel.poll(bpy.context):
        return []
    layout = FakeLayout()
    panel.draw(kind_of(panel, layout), bpy.context)
    return layout.drawn


def draw_preferences(values: Any, kind: type) -> list[tuple[Any, ...]]:
    """The same for the preferences; ``values`` has their properties."""
    layout = FakeLayout()
    kind._draw_worker(values, layout)
    kind._draw_cache(values, layout)
    return layout.drawn
