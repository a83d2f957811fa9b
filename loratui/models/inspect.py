"""What a model file or folder is, from its header or its configs alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loratui.families import FAMILIES
from loratui.formats.lora_family import family_of_metadata
from loratui.formats.tensorfile import Header, read_header
from loratui.models.folder import check_weights, classify_folder, prediction_of_folder
from loratui.models.keys import Finding, Kind, classify
from loratui.models.prediction import Guess, Prediction, of_file
from loratui.problems import UserError, refusal

PICKLED_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin"})


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a path holds."""

    path: Path
    kind: Kind
    family: str | None
    """A name of ``families.FAMILIES``, or of a family that is only told apart; None when unknown."""
    prediction: Prediction | None
    """None when it does not apply, or when only the person can tell."""
    zero_terminal_snr: bool | None
    trainable: bool
    """Whether it is a base model that one of the engines trains."""
    evidence: tuple[str, ...]
    """Why, in words; the last is the reason when it is not trainable."""
    bytes_to_fetch: int = 0
    """What a training fetches of it before it begins."""


def inspect(path: Path) -> ModelFile:
    """Look at a .safetensors file or a diffusers folder. Reads no weights.

    Raises ``UserError`` for a missing path, a pickled checkpoint (.ckpt, .pt), and a file that is cut
    short, damaged or no model at all.
    """
    if path.is_dir():
        finding = classify_folder(path)
        return _model_file(path, finding, prediction_of_folder(path, finding.family))
    if path.suffix.lower() in PICKLED_SUFFIXES and path.exists():
        raise _error(
            path,
            "this is a pickled checkpoint, which can run any code when opened.",
            "Use the .safetensors version of this model, or convert it on a machine you can lose.",
            "weights_only",
        )
    return of_header(path, read_header(path))


def of_header(path: Path, header: Header) -> ModelFile:
    """What a single file is by its header; little is read of ``path`` besides, and nothing where there is no
    such file."""
    finding = classify(header.tensors)
    if finding.family is None and finding.kind in ("lora", "unknown"):
        finding = _with_metadata(finding, header)
    return _model_file(path, finding, of_file(path, header, finding.family))


def require_base(path: Path) -> ModelFile:
    """``inspect``, for a model to train on.

    Raises ``UserError`` with one sentence for everything that is no base model, or none that an engine
    trains, and for a folder whose weights are missing, pickled or cut short.
    """
    if not path.exists():
        raise _error(
            path, "there is no such model.", "Check the path, or download the model first.", "model_missing"
        )
    found = inspect(path)
    require(found)
    if path.is_dir():
        check_weights(path)
    return found


def require(found: ModelFile) -> None:
    """Raises ``UserError`` with one sentence for everything that is no base model, or none that an engine
    trains."""
    path, reason = found.path, found.evidence[-1]
    if found.kind == "lora":
        raise _error(path, "this is a LoRA, not a base model.", "Choose the model it was made for.")
    if found.kind == "vae":
        raise _error(
            path, "this is only a VAE, not a whole model.", "Choose the base model; give this as vae."
        )
    if found.kind == "text_encoder":
        raise _error(path, "this is only a text encoder, not a whole model.", "Choose the base model.")
    if found.kind == "unknown":
        inside = _named_inside(path)
        raise _error(
            path,
            f"no kind of base model is recognised here ({reason}).",
            f"Name the file in it: {inside}." if inside else "Choose a Stable Diffusion checkpoint.",
            "model_missing" if path.is_dir() else "wrong_arch",
        )
    if not found.trainable:
        raise _error(path, f"this is {reason}.", "Choose another base model.")


def _model_file(path: Path, finding: Finding, guess: Guess) -> ModelFile:
    is_base = finding.kind == "base"
    trainable = is_base and not finding.refusal and finding.family in FAMILIES
    evidence = [finding.evidence]
    if is_base:
        evidence.append(guess.evidence)
    if is_base and not trainable:
        evidence.append(finding.refusal or "a model that no engine here trains")
    speaks = is_base or guess.evidence.startswith("its metadata")
    return ModelFile(
        path,
        finding.kind,
        finding.family,
        guess.prediction if speaks else None,
        guess.zero_terminal_snr if speaks else None,
        trainable,
        tuple(evidence),
    )


def _with_metadata(finding: Finding, header: Header) -> Finding:
    family, evidence = family_of_metadata(header.metadata)
    return Finding(finding.kind, family, evidence) if family else finding


def _named_inside(path: Path) -> str:
    if not path.is_dir():
        return ""
    return next((file.name for file in sorted(path.glob("*.safetensors"))), "")


def _error(path: Path, message: str, fix: str, cause: str = "wrong_arch") -> UserError:
    return refusal(path, message, fix, cause)
