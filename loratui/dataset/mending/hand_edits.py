"""Captions edited one by one, until they become a step."""

from __future__ import annotations

from loratui.dataset.checking.finding import number
from loratui.dataset.history import Base, Plan, Source, Written
from loratui.dataset.mending.caption_plan import Change
from loratui.dataset.mending.entries import Entries, Entry


class HandEdits:
    """What was typed in place of captions, by name of their file."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, entry: Entry) -> bool:
        return entry.caption_name in self._texts

    def text(self, entry: Entry) -> str:
        """A picture's caption as it stands now."""
        return self._texts.get(entry.caption_name, entry.text)

    def put(self, entry: Entry, text: str) -> None:
        """Take a caption as typed, on one line; typed back to what is in the file, it is none."""
        line = " ".join(text.split())
        if line == " ".join(entry.text.split()):
            self._texts.pop(entry.caption_name, None)
        else:
            self._texts[entry.caption_name] = line

    def clear(self) -> None:
        """Captions are again as they are in the files."""
        self._texts.clear()

    def plan(self, base: Base) -> Plan:
        """The step they make. A caption of 0 bytes ends sd-scripts; a blank line is read as no words."""
        put: dict[str, Source] = {
            name: Written(text.encode("utf-8", "replace") or b"\n") for name, text in self._texts.items()
        }
        return Plan(base, "captions", f"{number(len(put), 'caption')} edited by hand", put)

    def changes(self, entries: Entries) -> tuple[Change, ...]:
        """Each of them before and after."""
        before = {entry.caption_name: entry for entry in entries.all}
        return tuple(
            Change(name, known.text if (known := before.get(name)) and known.caption else None, text)
            for name, text in self._texts.items()
        )
