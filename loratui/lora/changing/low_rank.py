"""Matrices of low rank: pure functions on tensors, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Spectrum(NamedTuple):
    """``left @ diag(values) @ right``; the values fall."""

    left: torch.Tensor
    """(rows, n), orthonormal columns."""
    values: torch.Tensor
    """(n,)"""
    right: torch.Tensor
    """(n, columns), orthonormal rows."""


def of_product(up: torch.Tensor, down: torch.Tensor) -> Spectrum:
    """The singular values of ``up @ down``, (rows, r) by (r, columns), without making the product: QR of
    both factors leaves an r by r matrix."""
    import torch

    left, upper = torch.linalg.qr(up.double())
    right, lower = torch.linalg.qr(down.double().T)
    inner = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    return Spectrum(left @ inner.U, inner.S, inner.Vh @ right.T)


def of_matrix(matrix: torch.Tensor, rank: int) -> tuple[Spectrum, float]:
    """The ``rank`` largest singular values of a full matrix, and the sum of the squares of all.

    By the eigenvectors of the smaller Gram matrix: a fraction of the time of a full SVD, and in float64
    exact to about 1e-8 of the largest value.
    """
    import torch

    wide = matrix.double()
    total = float(wide.square().sum())
    flipped = wide.shape[0] > wide.shape[1]
    if flipped:
        wide = wide.T
    rank = min(rank, wide.shape[0])
    vectors = torch.linalg.eigh(wide @ wide.T).eigenvectors.flip(1)[:, :rank]
    rows = vectors.T @ wide
    values = rows.norm(dim=1)
    rows = rows / values.clamp_min(torch.finfo(torch.float64).tiny)[:, None]
    if flipped:
        return Spectrum(rows.T, values, vectors.T), total
    return Spectrum(vectors, values, rows), total


def split(spectrum: Spectrum, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``(up, down)`` in float32 of the first ``rank`` values, each with half of their size."""
    root = spectrum.values[:rank].sqrt()
    up = spectrum.left[:, :rank] * root
    down = root[:, None] * spectrum.right[:rank]
    return up.float(), down.float()


def energies(spectrum: Spectrum, rank: int) -> tuple[float, float]:
    """``(kept, total)``: sums of squared singular values, of the first ``rank`` and of all."""
    squares = spectrum.values.square()
    return float(squares[:rank].sum()), float(squares.sum())


def rank_for(spectrum: Spectrum, keep: float) -> int:
    """The smallest rank, at least 1, that keeps this share (0..1] of the energy."""
    squares = spectrum.values.square()
    total = squares.sum()
    if not total > 0:
        return 1
    # Rounding may leave the last sum just below the total.
    enough = (squares.cumsum(0) >= keep * total * (1 - 1e-12)).nonzero()
    return int(enough[0]) + 1 if len(enough) else len(squares)
