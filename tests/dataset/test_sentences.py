"""Sentences by a tiny Kosmos-2 with random weights, through the real process."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from loratui.dataset import history
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.sentences import describe_all, plan_sentences, wanted
from loratui.problems import UserError


def make_kosmos(folder: Path) -> None:
    import torch
    from transformers import (
        CLIPImageProcessor,
        Kosmos2Config,
        Kosmos2ForConditionalGeneration,
        Kosmos2Processor,
        XLMRobertaTokenizer,
    )

    words = ["an", "image", "of", "a", "red", "square"]
    vocab = [(word, 0.0) for word in ("<s>", "<pad>", "</s>", "<unk>")]
    vocab += [("\u2581" + word, -1.0) for word in words] + [("\u2581", -2.0)]
    vocab += [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyzAI<>/"]
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tokenizer = XLMRobertaTokenizer(vocab=vocab, unk_id=3)
    processor = Kosmos2Processor(images, tokenizer, num_patch_index_tokens=16)
    layers = {"embed_dim": 32, "layers": 1, "ffn_dim": 32, "attention_heads": 2}
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Kosmos2Config(
        text_config=layers | {"vocab_size": len(processor.tokenizer)},
        vision_config=vision | {"image_size": 32, "patch_size": 8},
        latent_query_num=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)  # some draws answer with nothing at all
        Kosmos2ForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)


def test_sentences_make_a_step_and_are_remembered(tmp_path: Path, home: Path) -> None:
    model = tmp_path / "kosmos"
    make_kosmos(model)
    folder = tmp_path / "set" / "10_x"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        Image.new("RGB", (40, 40), "red").save(folder / f"{name}.png")
    Image.new("RGB", (40, 40), "blue").save(folder / "c.png")
    (folder / "c.txt").write_text("old words")
    (folder / "broken.png").write_bytes(b"x")
    entries = read_entries(history.begin(tmp_path / "set"))
    chosen = wanted(entries, overwrite=False)
    assert [entry.stem for entry in chosen] == ["a", "b", "broken"]
    found = describe_all(entries, chosen, str(model), tmp_path / "memory")
    assert set(found) == {"10_x/a.png", "10_x/b.png"} and all(found.values())
    step = history.apply(plan_sentences(entries, found, str(model)))
    assert (step.folder / "10_x/a.txt").read_text().strip() == found["10_x/a.png"]
    assert (step.folder / "10_x/c.txt").read_text() == "old words"
    assert not (folder / "a.txt").exists()
    # From memory: the model is not needed any more.
    again = [entry for entry in chosen if entry.stem != "broken"]
    (model / "model.safetensors").unlink()
    assert describe_all(entries, again, str(model), tmp_path / "memory") == found
    with pytest.raises(UserError, match="cannot be loaded"):
        describe_all(entries, chosen, str(model), tmp_path / "memory")
