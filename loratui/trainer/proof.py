"""``python -m loratui.trainer.proof REQUEST.json``: does diffusers make of a LoRA file what we make of it?

The same fixed inputs go through our own forward and through a pipeline that took the file with
``load_lora_weights(folder, weight_name=name)``, as a person's program would.
"""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loratui import events
from loratui.builtin import lora_request
from loratui.builtin.lora_request import ProofAnswer, ProofRequest
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.serving import serve
from loratui.trainer.stopping import StopRequest

if TYPE_CHECKING:
    from torch import Tensor

    from loratui.trainer.base.loading import BaseModel

TOLERANCE = 1e-4
"""Between two float32 forwards of the same U-Net that add in another order."""
_PROMPT = "a photo of a lighthouse at night, ohwx"
_LATENT = 16
"""Side of the test's latents: 128 pixels, the least that SDXL's and SD 1.x's blocks divide evenly."""


def main(arguments: list[str] | None = None) -> int:
    """Prove what a request asks for."""
    return serve(arguments, ProofRequest, prove, less_memory="Close what else uses it.")


def prove(request: ProofRequest, report: Reporter, stop: StopRequest) -> int:
    """Write the answer. Exit code 0, also when diffusers fails; that is in the answer.

    Raises ``UserError`` when the base model or the file cannot be loaded by us.
    """
    report.phase("libraries", "loading PyTorch and diffusers")
    import torch

    from loratui.trainer.base.loading import load
    from loratui.trainer.lora.adapter import Adapter

    torch.backends.cudnn.allow_tf32 = False  # equality is in float32
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report.phase("model", Path(request.base).name)
    model = load(Path(request.base), request.family, torch.float32)
    for part in (model.unet, *model.text_encoders):
        part.to(device)
    report.phase("network", "our own forward")
    without = _answer(model, device)
    adapter = Adapter(model, device)
    adapter.load(request.lora)
    ours = _answer(model, device)
    adapter.remove()
    report.phase("network", "diffusers' load_lora_weights")
    answer = _ask_diffusers(request, model, device, without, ours)
    lora_request.write(Path(request.answer), answer)
    report.emit(events.Ended("finished", 0))
    return 0


def _ask_diffusers(
    request: ProofRequest, model: BaseModel, device: Any, without: Tensor, ours: Tensor
) -> ProofAnswer:
    from loratui.trainer.base.diffusers_parts import called_like_ours

    file = Path(request.lora.path)
    change = _largest(ours - without)
    try:
        pipeline = _pipeline(request, model)
        pipeline.to(device)
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
        theirs = _answer(called_like_ours(pipeline, model), device)
    except Exception as error:  # whatever diffusers raises is the answer
        first = (str(error).strip().splitlines() or [""])[0][:300]
        return ProofAnswer(0, None, change, (f"diffusers fails: {type(error).__name__}: {first}",))
    modules = _taken(pipeline)
    difference = _largest(theirs - ours) / max(1.0, _largest(ours))
    their_change = _largest(theirs - without)
    problems = []
    if modules != len(request.lora.modules):
        problems.append(f"diffusers took {modules} of its {len(request.lora.modules)} modules.")
    if not their_change > 0:
        problems.append("the U-Net answers the same with it and without.")
    if not difference <= TOLERANCE:
        problems.append(f"diffusers' U-Net answers otherwise than ours: they differ by {difference:.2g}.")
    return ProofAnswer(modules, _finite(difference), _finite(their_change), tuple(problems))


def _answer(model: BaseModel, device: Any) -> Tensor:
    """The U-Net's answer [1,4,16,16] on the CPU, to inputs that are always the same."""
    import torch

    from loratui.trainer.captions.text import encode, predict

    generator = torch.Generator("cpu").manual_seed(0)
    latents = torch.randn((1, 4, _LATENT, _LATENT), generator=generator).to(device)
    side = 8 * _LATENT
    sizes = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32, device=device)
    with torch.no_grad():
        condition = encode(model, [_PROMPT], None)
        answer = predict(model.unet, latents, torch.tensor([500], device=device), condition, sizes)
    return answer.float().cpu()


def _pipeline(request: ProofRequest, model: BaseModel) -> Any:
    """From a diffusers folder as a person loads it. For a single file, around the parts we loaded: diffusers
    wants the hub for the rest."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    from loratui.trainer.base.diffusers_parts import parts_for_pipeline

    sdxl = request.family == "sdxl"
    kind = StableDiffusionXLPipeline if sdxl else StableDiffusionPipeline
    if Path(request.base).is_dir():
        model.unet = model.vae = None
        model.text_encoders.clear()
        gc.collect()
        more = {} if sdxl else {"safety_checker": None, "requires_safety_checker": False}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return kind.from_pretrained(
                request.base, local_files_only=True, torch_dtype=torch.float32, **more
            )
    parts = parts_for_pipeline(model) | {"tokenizer": None, "scheduler": DDIMScheduler()}
    if sdxl:
        return kind(**parts, tokenizer_2=None)
    return kind(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def _taken(pipeline: Any) -> int:
    """Layers that hold a LoRA now."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    parts = (getattr(pipeline, name, None) for name in ("unet", "text_encoder", "text_encoder_2"))
    return sum(isinstance(layer, BaseTunerLayer) for part in parts if part for layer in part.modules())


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max())


def _finite(number: float) -> float | None:
    return number if number - number == 0 else None


if __name__ == "__main__":
    sys.exit(main())
