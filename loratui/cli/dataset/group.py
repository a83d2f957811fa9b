"""``loratui dataset``: everything that mends a dataset."""

from __future__ import annotations

import click

from loratui.cli.lazy import LazyGroup

_COMMANDS = {
    "convert": (
        "dataset.convert",
        "Formats and pixels: rotation, transparency, ignored formats, broken files.",
    ),
    "arrange": (
        "dataset.convert",
        "Folders and names: the 10_name layout, no shared captions, no leftovers.",
    ),
    "mend": ("dataset.history", "Open the screens that mend a dataset."),
    "dedupe": ("dataset.dedupe", "The same pictures and nearly the same: keep the best of each group."),
    "tag": ("dataset.tag", "Captions of tags, by a WD14 tagger or another in ONNX."),
    "caption": ("dataset.caption", "A sentence for each picture, by Kosmos-2."),
    "variants": ("dataset.variants", "Each picture three times: no words, tags, a sentence."),
    "edit": ("dataset.edit", "Captions and tags: add, remove, rename, fill; on all, or what a filter shows."),
    "tags": ("dataset.edit", "Every tag by how often it occurs."),
    "history": ("dataset.history", "The steps of a dataset, and which of them counts."),
    "undo": ("dataset.history", "Go back to the step before."),
    "redo": ("dataset.history", "Go forward again."),
    "refresh": ("dataset.history", "Take in what you changed in your own folder since."),
}


@click.group(cls=LazyGroup, table=_COMMANDS)
def dataset() -> None:
    """Mend a dataset. Your folder stays as it is: each operation makes a new one beside it, in
    DIR.steps, and what is trained on is DIR.steps/current. Every command shows first what it would do;
    --yes does it; loratui dataset undo DIR takes it back.
    """
