"""Runs that are over: ``report compare delete``, and ``status`` in one line."""

from __future__ import annotations

import time
from pathlib import Path

import click

from loratui.cli.follow import duration
from loratui.cli.options import agree, json_option, run_argument
from loratui.cli.output import data, plain, print_json, say
from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import deleting, store
from loratui.runs.follow import RunFollower
from loratui.runs.hints import fixing
from loratui.runs.rental.machine_news import pending
from loratui.runs.reporting import report as reports
from loratui.runs.reporting.equal_steps import at_last_common_step, standing, what_it_means
from loratui.runs.supervision.afterwards import after_all_lost
from loratui.runs.supervision.orphans import orphans
from loratui.runs.view import RunView


@click.command()
@run_argument
@click.option("-o", "out", type=click.Path(path_type=Path, dir_okay=False), help="Another file.")
def report(run: str, out: Path | None) -> None:
    """One page of RUN to copy home: curves, recipe, troubles, samples. Whole in itself."""
    data(str(reports.write(store.find(run), out)))


@click.command()
@run_argument
@json_option
def status(run: str, as_json: bool) -> None:
    """RUN (the newest when none is named) in one line, short enough for a phone."""
    found = store.find(run)
    after_all_lost(time.time())
    stop = pending()
    view = RunFollower(found).poll()
    orphaned = view.state == "lost" and bool(orphans(found, store.read_status(found)))
    if as_json:
        from loratui.cli.runs import row

        more = {
            "seconds_left": view.seconds_left if view.state not in ENDED else None,
            "hints": [{"key": hint.key, "severity": hint.severity} for hint in view.hints],
            "trainer_still_runs": orphaned,
            "machine_stops_at": stop.at if stop else None,
        }
        print_json(row(store.summary(found)) | more)
        return
    when = f" MACHINE STOPS {stop.clock}" if stop else ""
    data(line(store.summary(found).name, view) + (" TRAINER STILL RUNS" if orphaned else "") + when)


def line(name: str, view: RunView) -> str:
    """Name, state, how far, loss, how long it still takes."""
    parts = [plain(name), view.state.upper()]
    parts.append(f"{view.step}/{view.total_steps}" if view.total_steps else str(view.step))
    if view.total_steps:
        parts.append(f"{view.step / view.total_steps:.0%}")
    if view.loss is not None:
        parts.append(f"loss {view.loss:.3g}")
    if view.seconds_left is not None and view.state not in ENDED:
        parts.append(f"{duration(view.seconds_left)} left")
    fatal = next((hint.key for hint in view.fatal_hints), "")
    return " ".join([*parts, fatal]).rstrip()


@click.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "-o", "out", type=click.Path(path_type=Path, dir_okay=False), help="Both curves on one page (HTML)."
)
@json_option
def compare(first: str, second: str, out: Path | None, as_json: bool) -> None:
    """What two runs were told differently, and how their losses went."""
    runs = [store.find(first), store.find(second)]
    views = [RunFollower(run).poll() for run in runs]
    recipes = [fixing.read_recipe(run) for run in runs]
    changes = recipes[0].diff(recipes[1])
    if out is not None:
        reports.write_comparison(runs, views, changes, out)
    stand = standing((views[0], views[1]), changes)
    sure = stand.sense == "lower"
    words = [plain(one) for one in (at_last_common_step(stand), what_it_means(stand)) if one]
    if as_json:
        print_json(
            {
                "runs": [
                    {
                        "run": run.id,
                        "state": view.state,
                        "step": view.step,
                        "last_loss": view.losses.last_mean(),
                    }
                    for run, view in zip(runs, views, strict=True)
                ],
                "changes": [{"key": key, "first": old, "second": new} for key, old, new in changes],
                "comparison": {
                    "step": stand.step,
                    "means": stand.means,
                    "sense": stand.sense,
                    "lower": {"A": runs[0].id, "B": runs[1].id}.get(stand.lower or "") if sure else None,
                    "words": words,
                },
            }
        )
        return
    for run, view in zip(runs, views, strict=True):
        data(f"{run.id}  {line(store.summary(run).name, view)}")
    for key, old, new in changes:
        data(f"  {key}: {fixing.word(old)} -> {fixing.word(new)}")
    for sentence in words:
        data(sentence)
    if not changes:
        say("Both were told the same.")


@click.command()
@click.argument("run")
@click.option("--keep-lora", is_flag=True, help="Move its finished LoRA to the folder of kept ones before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(run: str, keep_lora: bool, yes: bool) -> None:
    """Delete RUN with all its files, after asking. LoRA files written elsewhere stay."""
    found = store.find(run)
    problem = deleting.refusal(found)
    if problem is not None:
        raise UserError("", problem)
    content = deleting.content(found)
    say(f"{found.folder}: {content.count} files, {content.size / 1e6:,.1f} MB.")
    for kind in content.kinds:
        say(f"  {kind.name}: {kind.count}, {kind.size / 1e6:,.1f} MB")
    keep = content.final if keep_lora else ()
    for path in (*keep, *content.outside):
        say(f"  stays: {plain(str(path))}")
    for other in content.needed_by:
        say(f"  {other} waits in the queue and names this folder.")
    if not yes:
        agree(f"Delete {found.id}?")
    kept = deleting.delete(found, keep)
    say("Deleted.")
    for path in kept:
        data(str(path))
