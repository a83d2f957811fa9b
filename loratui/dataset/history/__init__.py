"""The history of a dataset: every operation makes a new folder beside the person's own, which stays as it is.

::

    hero/                   the person's folder: step 0, only ever read
    hero.steps/
        01_dedupe/          a whole dataset: pictures are hard links, captions are copies
        02_add-front/
        current             a link to the step that counts; no link: the person's folder counts

In one sentence: your folder stays as it is; what is trained on is hero.steps/current.

Read a set that a person named through ``current``::

    folder = history.current(Path("hero"))      # hero.steps/02_add-front, or hero itself

Change it by a plan. What a plan does not speak of is carried over::

    base = history.begin(Path("hero"))          # what counts now: base.root, base.listing.files
    plan = Plan(base, "tag", "12 captions written by wd-vit-tagger-v3", put={
        "10_hero/a.txt": Written(b"1girl, solo"),        # new or other content
        "10_wd/a.png": Kept("10_hero/a.png"),            # a file of the set, under another name
        "10_hero/b.png": Made(save_b),                   # save_b(path) writes the file
    }, drop=frozenset({"10_hero/broken.png"}))
    step = history.apply(plan)                  # all of it, or nothing

Names are relative to the set, with ``/`` between, as ``base.listing.files`` gives them; bytes that are no
UTF-8 are kept as Python's surrogates. ``apply`` builds the step in a hidden folder, brings it to the disk,
renames it, and only then switches ``current`` by a rename: after a kill or on a full disk the old step
counts, or the new one. A step that was undone stays until a person deletes it.
"""

from __future__ import annotations

from loratui.dataset.history.changes import Changes, changes, refresh
from loratui.dataset.history.listing import Listing, Stamp, list_set
from loratui.dataset.history.log import History, Step, find
from loratui.dataset.history.plan import Base, Kept, Made, Plan, Source, Written, begin, follow
from loratui.dataset.history.switch import apply, redo, undo
from loratui.dataset.history.where import current

__all__ = [
    "Base",
    "Changes",
    "History",
    "Kept",
    "Listing",
    "Made",
    "Plan",
    "Source",
    "Stamp",
    "Step",
    "Written",
    "apply",
    "begin",
    "changes",
    "current",
    "find",
    "follow",
    "list_set",
    "redo",
    "refresh",
    "undo",
]
