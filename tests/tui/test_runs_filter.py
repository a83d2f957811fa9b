"""``/`` in the list of runs."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from loratui import demo
from loratui.events import StateChanged
from loratui.recipe import change
from loratui.runs import layout
from loratui.runs.listing import Listing
from loratui.tui.app import LoratuiApp


def three(make_run: Any) -> list[Any]:
    def made(name: str, family: str, ended: StateChanged) -> Any:
        recipe = change(demo.recipe(), {"output.name": name, "base.family": family})
        return make_run(ended, recipe=recipe)

    failed = StateChanged("failed")
    return [
        made("hero", "sdxl", StateChanged("finished")),
        made("anna", "sd15", failed),
        made("Helen", "sdxl", failed),
    ]


def test_typing_leaves_the_runs_that_hold_it_and_esc_shows_all(
    make_run: Any, drive: Any, screen_text: Any
) -> None:
    hero, _, _ = three(make_run)

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        for keys in (
            ["slash", *"sdxl"],
            ["space", *"failed"],
            ["enter"],
            ["escape"],
            ["slash", *"n?"],
            ["escape"],
            ["slash", *hero.id[-8:], "down"],
        ):
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(str(screen_text(pilot.app)))
        return seen

    family, both, listed, everything, none, again, folder = drive(LoratuiApp(), act, (80, 24))
    assert "2 of 3 with 'sdxl'" in family and "hero" in family and "anna" not in family
    assert "1 of 3 with 'sdxl failed'" in both and "Helen" in both and "enter to the list" in both
    assert "1 of 3" in listed and "enter open" in listed
    assert all(name in everything for name in ("hero", "anna", "Helen")) and "with" not in everything
    assert "No run holds that. esc shows all." in none
    assert "anna" in again
    assert ">  ✓ FINISHED  hero" in folder and "anna" not in folder


def test_a_listing_notices_every_change_of_what_it_remembers(make_run: Any) -> None:
    hero, anna, _ = three(make_run)
    listing = Listing()
    assert [row.name for row in listing.look()] == [row.name for row in listing.look()]
    layout.write_status(hero, layout.Status("failed", "no more", step=3))
    (anna.folder / "run.json").unlink()
    after = {row.name: row for row in listing.look()}
    assert set(after) == {"hero", "Helen"}
    assert (after["hero"].state, after["hero"].step) == ("failed", 3)
