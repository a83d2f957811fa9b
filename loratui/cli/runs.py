"""Commands on runs that exist: ``runs attach stop resume rerun logs``."""

from __future__ import annotations

import time
from typing import Any, Literal

import click

from loratui.cli.follow import follow, result
from loratui.cli.options import detach_option, engine_option, json_option, run_argument
from loratui.cli.output import data, plain, print_json, say
from loratui.cli.train import finish, start, with_settings
from loratui.engines import config
from loratui.engines.registry import engine
from loratui.events import ENDED
from loratui.runs import launch, store
from loratui.runs.follow import LogTail, RunFollower
from loratui.runs.rental import machine_news
from loratui.runs.supervision.afterwards import after_all_lost
from loratui.runs.supervision.orphans import end_orphans

_POLL_SECONDS = 0.25


@click.command()
@click.option("--line", "in_one_line", is_flag=True, help="One line for a phone: what trains, what waits.")
@json_option
def runs(in_one_line: bool, as_json: bool) -> None:
    """The runs on this machine, newest first."""
    store.check_readable()
    after_all_lost(time.time())
    if in_one_line:
        data(_line())
        return
    summaries = [store.summary(run) for run in store.all_runs()]
    stop = machine_news.pending()
    if as_json:
        stops = {"machine_stops_at": stop.at} if stop else {}
        print_json({"runs": [row(summary) for summary in summaries], **stops})
        return
    if stop:
        say(f"{machine_news.words(stop)} Keep it on: loratui keep")
    if not summaries:
        say("No runs yet. Start one: loratui demo, or loratui DIR with a folder of pictures.")
    for one in summaries:
        steps = f"{one.step:,}/{one.total_steps:,}" if one.total_steps else f"{one.step:,}"
        loss = f"{one.loss:.4g}" if one.loss is not None else "-"
        data(f"{one.state:<9} {plain(one.id):<36} {steps:>15}  loss {loss:<8} {one.started}")


def _line() -> str:
    """What trains, each in the words of ``status``, and how many wait; else the newest run."""
    from loratui.cli.history import line
    from loratui.runs.queueing import queue_file

    every = store.all_runs()
    trains = [run for run in every if store.state(run)[0] not in (*ENDED, "queued")]
    queue = queue_file.read()
    over = [run for run in every if store.state(run)[0] in ENDED]
    told = [line(store.summary(run).name, RunFollower(run).poll()) for run in trains or over[:1]]
    if queue.order:
        told.append(f"{len(queue.order)} wait" + (f" ({len(queue.held)} held)" if queue.held else ""))
    if queue.stopped:
        told.append("the queue has stopped")
    return "; ".join(told) or "no runs yet"


def row(summary: store.RunSummary) -> dict[str, Any]:
    """One run with the keys of ``runs --json``."""
    return {
        "run": summary.id,
        "name": summary.name,
        "state": summary.state,
        "reason": summary.reason,
        "step": summary.step,
        "total_steps": summary.total_steps,
        "loss": summary.loss,
        "engine": summary.engine,
        "model": summary.model,
        "started": summary.started,
        "folder": str(summary.folder),
        "final_file": summary.final_file or None,
    }


@click.command()
@run_argument
@json_option
def attach(run: str, as_json: bool) -> None:
    """Watch RUN (the newest when none is named) in plain lines. Ctrl+C leaves, the run goes on."""
    found = store.find(run)
    view = follow(found)
    if as_json:
        print_json(result(found, view))
    raise click.exceptions.Exit(0 if view.state == "finished" else 1)


@click.command()
@run_argument
@click.option("--now", is_flag=True, help="Do not wait for the step to finish; nothing is saved.")
@click.option("--no-wait", is_flag=True, help="Ask, and do not wait until it has stopped.")
@json_option
def stop(run: str, now: bool, no_wait: bool, as_json: bool) -> None:
    """Stop RUN (the newest when none is named)."""
    found = store.find(run)
    summary = store.summary(found)
    if summary.state in ENDED:
        if end_orphans(found, store.read_status(found)):
            say("Its trainer still ran, though loratui's own processes were killed: it is ended now.")
        say(f"{found.id} is not running: {summary.state}.")
        if as_json:
            print_json({"run": found.id, "state": summary.state})
        return
    if now:
        launch.request_kill(found)
    elif summary.state == "stopping":  # a second request would end the trainer's time to save
        say("It is already stopping. To end it at once, unsaved: loratui stop --now")
    else:
        launch.request_stop(found)
        saves = engine(summary.engine).saves_on_stop
        say("Stopping after this step." + (" It saves first." if saves else " The last saved state stays."))
    follower = RunFollower(found)
    view = follower.poll()
    while view.state not in ENDED and not no_wait:
        time.sleep(_POLL_SECONDS)
        view = follower.poll()
    say(f"{found.id}: {view.state}{f', {view.reason}' if view.reason else ''}")
    if as_json:
        print_json({"run": found.id, "state": view.state})


@click.command()
@run_argument
@json_option
def save(run: str, as_json: bool) -> None:
    """Let RUN (the newest when none is named) save a checkpoint and a state after this step."""
    _ask(run, "save", "It saves a checkpoint and a state after this step.", as_json)


@click.command()
@run_argument
@json_option
def sample(run: str, as_json: bool) -> None:
    """Let RUN (the newest when none is named) draw its sample pictures after this step."""
    _ask(run, "sample", "It draws its sample pictures after this step.", as_json)


def _ask(run: str, what: Literal["save", "sample"], words: str, as_json: bool) -> None:
    found = store.find(run)
    launch.request_now(found, what)
    say(f"{found.id}: {words}")
    if as_json:
        print_json({"run": found.id, "asked": what})


@click.command()
@run_argument
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: steps.epochs=20"
)
@detach_option
@json_option
def resume(run: str, settings: tuple[str, ...], detach: bool, as_json: bool) -> None:
    """Go on with RUN (the newest when none is named) from its last saved state."""
    found = store.find(run)
    changed = None
    if settings:
        before = config.load(found.recipe)
        changed = with_settings(before, settings, None)
        for key, old, new in before.diff(changed):
            say(f"{key}: {old} -> {new}")
    launch.resume(found, engine(store.summary(found).engine), changed)
    finish(found, detach=detach, as_json=as_json)


@click.command()
@run_argument
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: network.rank=8"
)
@engine_option
@detach_option
@json_option
def rerun(run: str, settings: tuple[str, ...], engine_name: str | None, detach: bool, as_json: bool) -> None:
    """Train RUN's recipe once more as a new run, with changes."""
    found = store.find(run)
    before = config.load(found.recipe)
    recipe = with_settings(before, settings, engine_name)
    for key, old, new in before.diff(recipe):
        say(f"{key}: {old} -> {new}")
    finish(start(recipe, str(found.recipe)), detach=detach, as_json=as_json)


@click.command()
@run_argument
@click.option("-f", "--follow", "follow_on", is_flag=True, help="Go on until the run ends.")
def logs(run: str, follow_on: bool) -> None:
    """What RUN's trainer printed, cleaned of bars and control codes."""
    found = store.find(run)
    tail, follower = LogTail(found.output, first=None, skip=False), RunFollower(found)
    while True:
        ended = follower.poll().state in ENDED
        lines = tail.poll()
        for line in lines:
            data(line)
        if not lines and (ended or not follow_on):
            return
        if not lines:
            time.sleep(_POLL_SECONDS)
