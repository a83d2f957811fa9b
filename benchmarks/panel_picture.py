"""Draw the training panel of a run as an SVG, for the README.

    python benchmarks/panel_picture.py RUN_FOLDER OUT.svg [--size 120x36] [--note TEXT]

The run may be over or still going; nothing in its folder is changed.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from textual.app import App
from textual.screen import Screen

from loratui.runs.store import Run
from loratui.tui.app import LoratuiApp


class PanelApp(LoratuiApp):
    """The app with the panel of a run that may lie anywhere."""

    def __init__(self, run: Run, note: str) -> None:
        super().__init__(note=note)
        self._run = run

    def get_default_screen(self) -> Screen[None]:
        return self._panel(self._run)


async def picture(app: App[None], columns: int, rows: int) -> str:
    """The screen as SVG, once it has settled."""
    async with app.run_test(size=(columns, rows)) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause(0.2)
        return app.export_screenshot(title="loratui")


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="120x36", help="columns x rows")
    parser.add_argument("--note", default="")
    arguments = parser.parse_args()
    columns, rows = (int(part) for part in arguments.size.split("x"))
    folder = arguments.run_folder.absolute()
    svg = asyncio.run(picture(PanelApp(Run(folder.name, folder), arguments.note), columns, rows))
    arguments.out.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
