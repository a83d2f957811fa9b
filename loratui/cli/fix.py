"""``fix``: what can be done about a run's trouble, shown, and done when confirmed."""

from __future__ import annotations

import click

from loratui.cli.options import detach_option, json_option, run_argument
from loratui.cli.output import data, print_json, say
from loratui.cli.train import finish
from loratui.engines.registry import engine
from loratui.problems import Problem, UserError
from loratui.runs import store
from loratui.runs.follow import RunFollower
from loratui.runs.hints import fixing
from loratui.runs.hints import states as hint_states
from loratui.runs.hints.fixes import Fix
from loratui.runs.store import Run


@click.command()
@run_argument
@click.option("--hint", "key", default="", metavar="KEY", help="Which trouble; the worst one otherwise.")
@click.option("--yes", is_flag=True, help="Do it: start again with the changes shown.")
@click.option("--install", is_flag=True, help="Run the pip command shown, then start again.")
@click.option("--dismiss", is_flag=True, help="Note that nothing is to be done about it.")
@detach_option
@json_option
def fix(run: str, key: str, yes: bool, install: bool, dismiss: bool, detach: bool, as_json: bool) -> None:
    """What one key can do about the trouble of RUN (the newest when none is named).

    Shows the change of the recipe, from where it would start again, and the pip command where a package is
    missing. Does nothing without --yes or --install. Exit code 1 when there is nothing to offer.
    """
    found = store.find(run)
    view = RunFollower(found).poll()
    hint = fixing.choose(found, view, key)
    offered = fixing.fix_for(found, view, hint)
    plan = fixing.plan(found, offered)
    if dismiss:
        hint_states.decide(found, hint.key, "dismissed")
        say(f"{hint.key} is dismissed.")
        return
    if not yes and not install:
        if as_json:
            print_json(_as_json(found, offered, plan))
        else:
            _show(found, offered, plan)
        raise click.exceptions.Exit(0 if offered.can_do else 1)
    if install:
        _install(found, offered)
    elif not offered.changes:
        raise UserError("", Problem("", offered.refusal or f"no setting helps: {offered.rule.fix}"))
    else:
        for key, old, new in offered.changes:
            say(f"{key}: {fixing.word(old)} -> {fixing.word(new)}")
    say(plan.words)
    offered = fixing.as_it_was(found, offered) if install else offered
    started = fixing.apply(found, offered, engine(offered.recipe.launch.engine))
    finish(started, detach=detach, as_json=as_json)


def _install(run: Run, offered: Fix) -> None:
    if offered.install is None:
        raise UserError("", Problem("", f"{offered.hint.key}: no package is missing.", offered.rule.fix))
    say(f"$ {offered.install}")
    code = fixing.install(run, offered.install, say)
    if code:
        raise UserError(
            str(run.folder / "install.log"),
            Problem("", f"pip ended with exit code {code}.", offered.rule.fix),
        )


def _show(run: Run, offered: Fix, plan: fixing.Plan) -> None:
    data(f"{offered.hint.severity}: {offered.hint.key}")
    data(f"  {offered.rule.cause}")
    for key, old, new in offered.changes:
        data(f"  {key}: {fixing.word(old)} -> {fixing.word(new)}")
    for reason in offered.reasons:
        data(f"  {reason}")
    if offered.refusal:
        data(f"  {offered.refusal}")
    if offered.install is not None:
        data(f"  or install: {offered.install}" if offered.changes else f"  {offered.install}")
    if not offered.can_do:
        data(f"  What helps: {offered.rule.fix}")
        return
    say(plan.words)
    options = ["--yes"] if offered.changes else []
    options += ["--install"] if offered.install is not None else []
    say(f"Do it: loratui fix {run.id} --hint {offered.hint.key} {' or '.join(options)}")


def _as_json(run: Run, offered: Fix, plan: fixing.Plan) -> dict[str, object]:
    return {
        "run": run.id,
        "hint": offered.hint.key,
        "severity": offered.hint.severity,
        "cause": offered.rule.cause,
        "fix": offered.rule.fix,
        "changes": [{"key": key, "old": old, "new": new} for key, old, new in offered.changes],
        "reasons": list(offered.reasons),
        "refusal": offered.refusal or None,
        "install": str(offered.install) if offered.install is not None else None,
        "from_state": str(plan.state) if plan.state is not None else None,
        "start": plan.words,
    }
