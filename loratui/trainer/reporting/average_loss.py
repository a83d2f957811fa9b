"""The loss a progress bar shows."""

from __future__ import annotations


class AverageLoss:
    """The mean loss over the last epoch, as sd-scripts' LossRecorder keeps it
    (library/train_util.py:6668): every position in the epoch holds its latest loss."""

    def __init__(self, losses: list[float] | None = None) -> None:
        self.losses = losses or []

    def add(self, epoch: int, position: int, loss: float) -> None:
        """``epoch`` and ``position`` count from 0."""
        if epoch == 0:
            self.losses.append(loss)
            return
        self.losses += [0.0] * (position + 1 - len(self.losses))
        self.losses[position] = loss

    @property
    def mean(self) -> float:
        return sum(self.losses) / len(self.losses)
