"""Word of a run's end, sent by the standard library: ntfy, Discord, Telegram, plain JSON, a command of the
person's. ``python -m loratui.runs.notify RUN_FOLDER``

What to send is in notify.toml of loratui's home, which only its owner may read. Addresses and tokens, there
or in variables of the environment it names, appear in no argument, log or event.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from loratui import places
from loratui.problems import Problem, UserError
from loratui.runs import store, web
from loratui.runs.detached import start_apart
from loratui.runs.quiet_command import run_quietly
from loratui.runs.rental.machine_wish import MachineSettings
from loratui.runs.store import Run, RunSummary


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[send]]`` of notify.toml. ``*_env`` names a variable of the environment to take it from."""

    kind: Literal["ntfy", "discord", "telegram", "json", "command"]
    url: str = ""
    url_env: str = ""
    token: str = ""
    token_env: str = ""
    chat: str = ""
    """Telegram's chat id."""
    argv: tuple[str, ...] = ()
    """The command; it finds LORATUI_RUN, LORATUI_STATE and LORATUI_TEXT in its environment."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """notify.toml."""

    send: tuple[Target, ...] = ()
    machine: MachineSettings = MachineSettings()


def settings_path() -> Path:
    """Where it lies."""
    return places.home() / "notify.toml"


def read_settings() -> Settings:
    """What to send. Raises ``UserError`` when the file is readable by others, or does not fit."""
    path = settings_path()
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(str(path), Problem("", f"it cannot be read: {error}.")) from None
    if mode & 0o077:
        raise UserError(
            str(path), Problem("", "others on this machine may read its tokens.", f"chmod 600 {path}")
        )
    try:
        return msgspec.convert(tomllib.loads(text), Settings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UserError(str(path), Problem("", f"{error}.")) from None


def words(about: RunSummary) -> str:
    """One line on a run."""
    total = f" of {about.total_steps}" if about.total_steps else ""
    loss = f", loss {about.loss:.3g}" if about.loss is not None else ""
    return f"{about.name} {about.state} at step {about.step}{total}{loss}. {about.reason}".strip()[:500]


def send(
    target: Target, about: RunSummary, environment: Mapping[str, str] = os.environ, text: str = ""
) -> str:
    """Send word to one target: ``text``, or how the run stands. Returns what went wrong, without address or
    token; empty when all is well."""
    text = text or words(about)
    if target.kind == "command":
        return _run(target.argv, about, text, environment)
    token = environment.get(target.token_env, "") if target.token_env else target.token
    url = environment.get(target.url_env, "") if target.url_env else target.url
    headers, body = {"Content-Type": "application/json"}, {}
    match target.kind:
        case "ntfy":
            headers = {"Title": "loratui", **({"Authorization": f"Bearer {token}"} if token else {})}
        case "discord":
            body = {"content": text, "allowed_mentions": {"parse": []}}
        case "telegram":
            url = f"{url or 'https://api.telegram.org'}/bot{token}/sendMessage"
            body = {"chat_id": target.chat, "text": text}
        case "json":
            headers |= {"Authorization": f"Bearer {token}"} if token else {}
            body = {"run": about.id, "name": about.name, "state": about.state, "text": text}
    data = text.encode() if target.kind == "ntfy" else json.dumps(body).encode()
    try:
        web.ask("POST", url, data, headers)
    except web.RefusedError as error:
        return f"{target.kind}: {error}"
    return ""


def _run(argv: tuple[str, ...], about: RunSummary, text: str, environment: Mapping[str, str]) -> str:
    if not argv:
        return "command: argv is empty"
    told = {"LORATUI_RUN": about.id, "LORATUI_STATE": about.state, "LORATUI_TEXT": text}
    fault = run_quietly(argv, {**environment, **told})
    return f"command: {fault}" if fault else ""


def send_all(run: Run, tell: Callable[[str], None], text: str = "") -> bool:
    """Send word of a run to every target, ``text`` where it is not about the run itself; what went wrong is
    told. Returns whether all went well. Raises ``UserError`` for settings that do not fit."""
    about, well = store.summary(run), True
    for target in read_settings().send:
        trouble = send(target, about, text=text)
        well = well and not trouble
        tell(trouble or f"{target.kind}: sent")
    return well


def in_background(run: Run) -> None:
    """Send word by a process of its own, so that nobody waits; its words go to notify.log of the run."""
    if not settings_path().is_file():
        return
    start_apart("loratui.runs.notify", str(run.folder), log=run.folder / "notify.log")


def main(folder: str) -> int:
    """Send word of the run in a folder."""
    try:
        return 0 if send_all(Run(Path(folder).name, Path(folder)), print) else 1
    except UserError as error:
        print(error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
