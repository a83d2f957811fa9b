"""A run as one page to copy home: report.html, whole in itself. No script, nothing from elsewhere."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path

from loratui.atomic import new_file
from loratui.problems import refusal
from loratui.runs.cleaning import clean_line
from loratui.runs.follow import RunFollower
from loratui.runs.hints import fixing
from loratui.runs.hints import states as hint_states
from loratui.runs.hints.fixes import Change
from loratui.runs.hints.matcher import rule_for
from loratui.runs.losses import LossHistory
from loratui.runs.notes import read_notes
from loratui.runs.reporting.curve_svg import svg
from loratui.runs.store import Run, summary
from loratui.runs.view import RunView

_MOST_SAMPLES = 60
_MOST_BYTES = 24 << 20
"""Of pictures in one page."""
_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_SECRET = re.compile(r"(?mi)^(\w*(?:token|api_key|secret|password)) = .*$")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; }
body { color: #222; }
h1 { margin-bottom: 0; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto; }
td, th { padding: .2em 1em .2em 0; text-align: left; }
figure { display: inline-block; margin: 0 1em 1em 0; max-width: 260px; vertical-align: top; }
figure img { max-width: 260px; } figcaption { font-size: 12px; color: #555; overflow-wrap: anywhere; }
svg text { font-size: 12px; fill: #555; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } pre { background: #222; } }
"""


def write(run: Run, out: Path | None = None) -> Path:
    """Write the report of a run, into its folder when no other file is named. Raises ``UserError``."""
    path = out or run.folder / "report.html"
    text = page(run, RunFollower(run).poll())
    with new_file(path, "Free some space, or name another file with -o.") as temporary:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o600)
    return path


def write_comparison(
    runs: Sequence[Run], views: Sequence[RunView], changes: Sequence[Change], out: Path
) -> None:
    """Two runs on one page: their losses over each other, and what they were told differently. Raises
    ``UserError``."""
    names = [run.id for run in runs]
    rows = "".join(
        f"<tr><th>{_text(key)}</th><td>{_text(fixing.word(old))}</td><td>{_text(fixing.word(new))}</td></tr>"
        for key, old, new in changes
    )
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    lines = _losses([(name, view.losses) for name, view in zip(names, views, strict=True)])
    shown = "".join(
        f"<h2>{_text(run.id)}</h2>{_samples(run, view)}" for run, view in zip(runs, views, strict=True)
    )
    body = f"<h1>{_text(' and '.join(names))}</h1>{lines}<table><tr><th></th>{head}</tr>{rows}</table>{shown}"
    with new_file(out, "Free some space, or name another file with -o.") as temporary:
        temporary.write_text(document(" and ".join(names), body), encoding="utf-8")
        temporary.chmod(0o600)


def page(run: Run, view: RunView) -> str:
    """The report as HTML. Text from outside is escaped, and its control characters are gone."""
    about = summary(run)
    parts = [
        f"<h1>{_text(about.name)}</h1><p>{_text(run.id)} · {_text(view.state)}. {_text(view.reason)}</p>",
        _facts(view, about.model, about.engine),
        _curves(view, about.name),
        _hints(run, view),
        _files(view),
        _samples(run, view),
        f"<h2>Notes</h2><pre>{_lines(read_notes(run))}</pre>" if read_notes(run) else "",
        f"<h2>Recipe</h2><pre>{_lines(_told(run))}</pre>",
    ]
    return document(f"{about.name}: {view.state}", "\n".join(parts))


def document(title: str, body: str) -> str:
    """A whole page. Its policy forbids scripts and anything from elsewhere."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _curves(view: RunView, name: str) -> str:
    """The loss, and whatever else came with the steps."""
    rates = [(key, history) for key, history in sorted(view.curves.items()) if key.startswith("rate ")]
    charts = {
        "Loss": _losses([(name, view.losses), *_curve(view, "validation loss")]),
        "Learning rate": svg("learning rate", rates, smoothed=False),
        "Gradient norm": svg("gradient norm", _curve(view, "gradient norm"), smoothed=True),
    }
    return "".join(f"<h2>{title}</h2>{chart}" for title, chart in charts.items() if chart)


def _curve(view: RunView, key: str) -> list[tuple[str, LossHistory]]:
    return [(key, view.curves[key])] if key in view.curves else []


def _losses(named: Sequence[tuple[str, LossHistory]]) -> str:
    shown = [(clean_line(name), history) for name, history in named]
    return svg("loss", shown, smoothed=True) or "<p>No loss was printed.</p>"


def _told(run: Run) -> str:
    """The recipe as it stands in the run's folder, also one that would be refused today, with whatever may be
    a secret among the keys passed on to sd-scripts left out. Raises ``UserError``."""
    try:
        text = run.recipe.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(run.recipe, f"it cannot be read: {error}.", "Copy it here once more.") from None
    return _SECRET.sub(r"\1 = (not shown)", text)


def _facts(view: RunView, model: str, engine: str) -> str:
    total = f" of {view.total_steps:,}" if view.total_steps else ""
    first, last = view.losses.first_mean(), view.losses.last_mean()
    rows = {
        "base model": model,
        "engine": engine,
        "steps": f"{view.step:,}{total}",
        "loss": f"{first:.4g} at first, {last:.4g} at the end" if first and last else "-",
        "file": view.final_file or "-",
    }
    cells = "".join(f"<tr><th>{name}</th><td>{_text(value)}</td></tr>" for name, value in rows.items())
    return f"<table>{cells}</table>"


def _hints(run: Run, view: RunView) -> str:
    if not view.hints:
        return ""
    decided = hint_states.decisions(run)
    items = []
    for hint in view.hints:
        row = rule_for(hint)
        state = hint_states.state_of(hint.key, view.hinted_at.get(hint.key, 0.0), decided)
        words = f"{row.cause} {row.fix}" if row else hint.line
        items.append(f"<li><b>{_text(hint.key)}</b> ({hint.severity}, {state}): {_text(words)}</li>")
    return f"<h2>Troubles met</h2><ul>{''.join(items)}</ul>"


def _files(view: RunView) -> str:
    if not view.checkpoints:
        return ""
    items = "".join(
        f"<li>step {item.step:,}: {_text(Path(item.path).name)}</li>" for item in view.checkpoints
    )
    return f"<h2>Saved files</h2><ul>{items}</ul>"


def _samples(run: Run, view: RunView) -> str:
    figures, size = [], 0
    for item in view.samples[-_MOST_SAMPLES:]:
        path = run.folder / item.path
        kind = _KINDS.get(path.suffix.lower())
        try:
            data = path.read_bytes() if kind else b""
        except OSError:
            continue
        size += len(data)
        if not data or size > _MOST_BYTES:
            continue
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        caption = f"step {item.step:,} · {_text(item.prompt)}"
        figures.append(f'<figure><img src="{uri}" alt=""><figcaption>{caption}</figcaption></figure>')
    return f"<h2>Samples</h2>{''.join(figures)}" if figures else ""


def _text(value: str) -> str:
    return html.escape(clean_line(value))


def _lines(value: str) -> str:
    return "\n".join(_text(line) for line in value.split("\n"))
