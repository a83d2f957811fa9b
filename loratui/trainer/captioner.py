"""Sentences for pictures by Kosmos-2, in a process of its own.

    python -m loratui.trainer.captioner < request.json

The request is ``{"model": folder or hub id, "pictures": [paths], "tokens": most new tokens}``. Prints one
JSON line for each picture, in order: ``{"picture": path, "text": sentence}``, or ``"fault"`` with the reason;
once ``{"error": reason}`` when the model cannot be loaded. Whatever else is printed goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

PROMPT = "An image of"
"""What the sentence goes on from (the model card's own)."""


def main() -> int:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print shall not disturb

    def say(**values: object) -> None:
        out.write(json.dumps(values) + "\n")
        out.flush()

    request = json.load(sys.stdin)
    try:
        describe = load(request["model"], int(request.get("tokens", 64)))
    except Exception as error:  # the hub's, the network's, the file's: there is no common class
        say(error=(str(error).strip().splitlines() or [type(error).__name__])[0])
        return 1
    for path in request["pictures"]:
        try:
            say(picture=path, text=describe(path))
        except Exception as error:  # one picture that cannot be described leaves the others their turn
            say(picture=path, fault=str(error) or type(error).__name__)
    return 0


def load(model: str, tokens: int) -> Any:
    """A function from the path of a picture to a sentence."""
    import torch
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.float16 if device == "cuda" else torch.float32
    network = AutoModelForImageTextToText.from_pretrained(model, dtype=kind).to(device).eval()

    def describe(path: str) -> str:
        with Image.open(path) as picture:
            inputs = processor(text=PROMPT, images=picture.convert("RGB"), return_tensors="pt").to(device)
        with torch.inference_mode():
            found = network.generate(
                pixel_values=inputs["pixel_values"].to(kind),
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                image_embeds=None,
                image_embeds_position_mask=inputs["image_embeds_position_mask"],
                use_cache=True,
                do_sample=False,
                max_new_tokens=tokens,
            )
        text = processor.batch_decode(found, skip_special_tokens=True)[0]
        sentence, _ = processor.post_process_generation(text)
        return " ".join(str(sentence).split())

    return describe


if __name__ == "__main__":
    sys.exit(main())
