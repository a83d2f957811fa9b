"""The keys of the screen of captions and tags, and which of them the line at its bottom names now."""

from __future__ import annotations

from textual.binding import Binding, BindingType

BINDINGS: list[BindingType] = [
    Binding("slash", "filter", "filter", id="tags.filter", tooltip="Type a filter"),
    Binding("tab", "turn", "tags / captions", id="tags.turn", tooltip="Tags by frequency, or captions"),
    Binding("enter", "open", "open", id="tags.open", tooltip="Show a tag's pictures; edit a caption"),
    Binding("a", "add(True)", "add in front", id="tags.front", tooltip="Add tags in front"),
    Binding("e", "add(False)", "add at the end", id="tags.end", tooltip="Add tags at the end"),
    Binding("d", "remove", "remove", id="tags.remove", tooltip="Remove a tag"),
    Binding("r", "rename", "rename", id="tags.rename", tooltip="Call a tag something else"),
    Binding("t", "trigger", "trigger first", id="tags.trigger", tooltip="Trigger word to the front"),
    Binding(
        "n",
        "normalise",
        "tidy",
        id="tags.tidy",
        tooltip="UTF-8, one line, each tag once",
    ),
    Binding("m", "fill", "fill missing", id="tags.fill", tooltip="Write captions for pictures without"),
    Binding("x", "leave_out", "leave out", id="tags.out", tooltip="Leave out the pictures shown"),
    Binding("c", "clear", "clear filter", id="tags.clear", tooltip="Show everything again"),
    Binding("s", "save", "save", id="tags.save", tooltip="Make a step of captions edited one by one"),
]


def shown(*, tags: bool, edited: bool, typing: bool, missing: bool = False) -> list[tuple[str, str]]:
    """Those that matter while the list shows ``tags`` (else captions), captions were ``edited`` one by one,
    a filter is being typed, or pictures without a caption are ``missing`` one."""
    if typing:
        return [("enter", "show"), ("esc", "back to the list"), ("f1", "help")]
    return [
        *([("s", "save")] if edited else []),
        *([("m", "write the missing ones")] if missing else []),
        ("enter", "filter by it" if tags else "edit"),
        ("/", "filter"),
        ("tab", "captions" if tags else "tags"),
        ("a", "add"),
        ("d", "remove"),
        ("r", "rename"),
        ("t", "trigger"),
        ("?", "more"),
        ("esc", "back"),
    ]
