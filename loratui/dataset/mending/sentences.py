"""Captions that are sentences, by Kosmos-2 in a process of its own; a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from loratui import python_path
from loratui.dataset.checking.finding import number
from loratui.dataset.history import Plan, Source, Written
from loratui.dataset.mending.entries import Entries, Entry
from loratui.dataset.mending.tagging import content_key
from loratui.dataset.names import last_part
from loratui.dataset.pictures.probing import Cancelled
from loratui.problems import refusal

DEFAULT_MODEL = "microsoft/kosmos-2-patch14-224"


def wanted(entries: Entries, overwrite: bool) -> list[Entry]:
    """The pictures to describe: those without a caption, or all. Where ``variants`` has laid out the set,
    those of its folder for sentences alone."""
    layout = [entry for entry in entries.all if entry.folder and entry.folder_words == "kosmos"]
    has_layout = layout and any(entry.folder_words == "empty" for entry in entries.all)
    return [entry for entry in (layout if has_layout else entries.all) if overwrite or not entry.text]


def describe_all(
    entries: Entries,
    chosen: Sequence[Entry],
    model: str,
    memory: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """A sentence for each picture, by name. What was found is written down at once below ``memory``.

    Raises ``UserError`` when the model cannot be loaded, and ``Cancelled``.
    """
    memory.mkdir(parents=True, exist_ok=True)
    path = memory / f"sentences-{hashlib.sha256(model.encode()).hexdigest()[:16]}.jsonl"
    known = _remembered(path)
    keys = {entry.name: content_key(entries, entry) for entry in chosen}
    todo = {keys[entry.name]: str(entries.base.root / entry.name) for entry in chosen}
    todo = {key: name for key, name in todo.items() if key not in known}
    by_path = {name: key for key, name in todo.items()}
    on_progress(0, len(todo))
    if todo:
        request = json.dumps({"model": model, "pictures": list(by_path)}).encode()
        command = python_path.own("loratui.trainer.captioner")
        with (
            path.open("ab") as file,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ):
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(request)
                process.stdin.close()
                for done, line in enumerate(process.stdout, 1):
                    if cancelled():
                        raise Cancelled
                    told = json.loads(line)
                    if "error" in told:
                        raise refusal(
                            model,
                            f"the captioner cannot be loaded: {told['error']}",
                            'It wants pip install "loratui[caption]", and a hub id or a folder: --model.',
                        )
                    if told.get("text"):
                        key = by_path[told["picture"]]
                        known[key] = told["text"]
                        file.write(json.dumps([key, told["text"]]).encode() + b"\n")
                        file.flush()
                    on_progress(done, len(todo))
            finally:
                process.kill()
    return {name: known[key] for name, key in keys.items() if key in known}


def plan_sentences(entries: Entries, sentences: dict[str, str], model: str) -> Plan:
    """A step with the captions that differ."""
    put: dict[str, Source] = {}
    for entry in entries.all:
        text = sentences.get(entry.name, "")
        if text and text != entry.text:
            put[entry.caption_name] = Written(text.encode("utf-8", "surrogateescape") + b"\n")
    told = f"{number(len(put), 'caption')} by {last_part(model.rstrip('/'))}"
    return Plan(entries.base, "caption", told, put)


def _remembered(path: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return known
    for line in lines:
        try:
            key, text = json.loads(line)
            known[str(key)] = str(text)
        except (ValueError, TypeError):  # the line a kill cut short
            continue
    return known
