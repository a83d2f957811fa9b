"""Which curves a run has, and what the chart says of one at its cursor."""

from __future__ import annotations

from loratui.runs.losses import LossHistory
from loratui.runs.view import RunView
from loratui.tui.widgets.chart_scale import Look, short

LOSS = "loss"


def names(view: RunView) -> list[str]:
    """The loss, then what else came with the steps."""
    return [LOSS, *sorted(view.curves)]


def curve(view: RunView, name: str) -> LossHistory:
    """A curve by its name; the loss where there is none of that name."""
    return view.curves.get(name, view.losses)


def line(view: RunView, name: str, look: Look) -> str:
    """The curve's name and its values under the cursor."""
    parts = [name]
    history = curve(view, name)
    found = history.at(look.cursor) if look.cursor is not None else None
    if found is not None:
        span, smooth = found
        if span.count == 1:
            parts.append(f"step {span.first_step:,}: {short(span.mean)}")
        else:
            last = span.first_step + span.count - 1
            spread = f"mean {short(span.mean)}, {short(span.low)} to {short(span.high)}"
            parts.append(f"steps {span.first_step:,}-{last:,}: {spread}")
        parts.append(f"smoothed {short(smooth)}")
        epoch = next(
            (mean for mean in view.epoch_means if mean.first_step <= span.first_step <= mean.last_step), None
        )
        if epoch is not None and name == LOSS:
            parts.append(f"epoch {epoch.epoch}: mean {short(epoch.mean)}")
    if look.window is not None:
        parts.append(f"zoomed to {look.window[0]:,}-{look.window[1]:,}")
    if look.logarithmic:
        parts.append("log scale")
    return "   ".join(parts)
