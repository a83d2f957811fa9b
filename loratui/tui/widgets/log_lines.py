"""The lines of a log: only what is visible is drawn; filtered by level, searched, and followed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from loratui.runs.log_levels import Level, level
from loratui.tui.glyphs import glyphs

MAX_LINES = 5000


class LogLines(ScrollView):
    """The last lines of a log, and a person's way through them."""

    BINDINGS = [
        Binding("right", "sideways(1)", "shift", id="log.right", tooltip="The rest of long lines"),
        Binding("left", "sideways(-1)", "shift back", id="log.left", tooltip="Back to their beginning"),
    ]

    COMPONENT_CLASSES = {"log--error", "log--warning", "log--found", "log--here"}
    """
    | Class | What |
    | :- | :- |
    | `log--error` | A line that tells of an error. |
    | `log--warning` | A line that warns. |
    | `log--found` | What was searched for. |
    | `log--here` | The match that was gone to. |
    """

    DEFAULT_CSS = """
    LogLines { scrollbar-size: 0 0; }
    LogLines > .log--found { text-style: reverse; }
    LogLines > .log--here { text-style: bold reverse; }
    """

    def __init__(self, *, id: str | None = None, max_lines: int = MAX_LINES) -> None:
        super().__init__(id=id)
        self.can_focus = False
        self._max_lines = max_lines
        self._lines: deque[tuple[str, Level]] = deque()
        self._shown: list[tuple[str, Level]] = []
        self._grave_only = False
        self._word = ""
        self._here = -1
        self._follow = True
        self._widest = 0

    @property
    def lines(self) -> Sequence[str]:
        """What is shown, with the filter."""
        return [line for line, _ in self._shown]

    @property
    def grave_only(self) -> bool:
        """Whether only warnings and errors are shown."""
        return self._grave_only

    def write_lines(self, lines: Iterable[str]) -> None:
        """Append lines; the oldest beyond the limit are forgotten."""
        fresh = [(line, level(line)) for line in lines]
        if not fresh:
            return
        self._lines.extend(fresh)
        self._shown += [entry for entry in fresh if entry[1] or not self._grave_only]
        gone = [self._lines.popleft() for _ in range(len(self._lines) - self._max_lines)]
        passed = sum(1 for entry in gone if entry[1] or not self._grave_only)
        del self._shown[:passed]
        self._here = max(-1, self._here - passed)
        self._widest = max(self._widest, *(cell_len(line) for line, _ in fresh))
        self._settle(passed)

    def _settle(self, passed: int = 0) -> None:
        """Show what there is now: at its end, or where the person was before ``passed`` lines went."""
        self.virtual_size = Size(max(self.size.width, self._widest), len(self._shown))
        if self._follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif passed:
            self.scroll_to(y=max(0, self.scroll_offset.y - passed), animate=False, immediate=True)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """A person who scrolls up holds the log still; at its end it is followed again."""
        super().watch_scroll_y(old_value, new_value)
        if self.has_focus:
            self._follow = new_value >= self.max_scroll_y

    def follow(self) -> None:
        """Go to the newest line and stay there."""
        self._follow = True
        self.scroll_to(x=0, animate=False, immediate=True)
        self._settle()

    def show_grave_only(self, grave_only: bool) -> None:
        """Warnings and errors alone, or everything again."""
        self._grave_only = grave_only
        self._shown = [entry for entry in self._lines if entry[1] or not grave_only]
        self._here, self._follow = -1, True
        self._settle()

    def search(self, word: str) -> int:
        """Mark a word, go to its last match at or above the lowest line in sight, and return how many lines
        hold it. Letters match in both cases."""
        self._word, self._here = word.casefold(), -1
        matches = self._matches()
        if matches:
            bottom = self.scroll_offset.y + self.size.height
            self._go(next((y for y in reversed(matches) if y < bottom), matches[-1]))
        self.refresh()
        return len(matches)

    def next_match(self, by: int) -> tuple[int, int]:
        """Go to the next match below (1) or above (-1). Returns its number, from 1, and how many there are; 0
        and 0 when there is none."""
        matches = self._matches()
        if not matches:
            return 0, 0
        if by > 0:
            target = next((y for y in matches if y > self._here), matches[0])
        else:
            target = next((y for y in reversed(matches) if y < self._here), matches[-1])
        self._go(target)
        return matches.index(target) + 1, len(matches)

    def _matches(self) -> list[int]:
        if not self._word:
            return []
        return [y for y, (line, _) in enumerate(self._shown) if self._word in line.casefold()]

    def _go(self, y: int) -> None:
        self._here, self._follow = y, False
        self.scroll_to(y=max(0, y - self.size.height // 2), animate=False, immediate=True)
        self.refresh()

    def action_sideways(self, by: int) -> None:
        """Move long lines by half a screen: to their end (1), or back (-1)."""
        x = self.scroll_offset.x + by * max(1, self.size.width // 2)
        most = max(0, self._widest - self.size.width)
        self.scroll_to(x=max(0, min(most, x)), animate=False, immediate=True)
        self.refresh()

    def on_resize(self) -> None:
        self._settle()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        index, width = y + top, self.size.width
        base = self.rich_style
        if not 0 <= index < len(self._shown):
            return Strip.blank(width, base)
        line, grave = self._shown[index]
        style = self.get_component_rich_style(f"log--{grave}") if grave else base
        strip = Strip(islice(self._marked(line, index, style), 200))
        more = Segment(glyphs().more, style)
        begun = [more] if left and strip.cell_length else []
        cut = [more] if strip.cell_length > left + width else []
        shown = strip.crop(left + len(begun), left + width - len(cut))
        return Strip([*begun, *shown, *cut]).adjust_cell_length(width, base)

    def _marked(self, line: str, index: int, style: Style) -> Iterable[Segment]:
        at = line.casefold().find(self._word) if self._word else -1
        # Folding may change a text's length; such a line is shown without marks.
        if at < 0 or len(line.casefold()) != len(line):
            yield Segment(line, style)
            return
        found = self.get_component_rich_style("log--here" if index == self._here else "log--found")
        begun = 0
        while at >= 0:
            yield Segment(line[begun:at], style)
            begun = at + len(self._word)
            yield Segment(line[at:begun], style + found)
            at = line.casefold().find(self._word, begun)
        yield Segment(line[begun:], style)
