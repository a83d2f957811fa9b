from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.formats.tensorfile import Header, Tensor, read_header
from loratui.problems import UserError
from tests.support.tensors import pack, write_shapes


def entry(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F16") -> dict[str, object]:
    shape = [(end - begin) // 2] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_header(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def refused(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "model.safetensors"
    file.write_bytes(data)
    return refusal(file)


def test_a_sound_header(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "b": entry(4, 8, [2, 1]),
        "a": entry(0, 4),
        "empty": entry(4, 4, [0, 7]),
        "scalar": entry(8, 12, [], "F32"),
    }
    file = tmp_path / "model.safetensors"
    file.write_bytes(pack(header, bytes(12)))
    assert read_header(file) == Header(
        tensors={
            "b": Tensor("F16", (2, 1), 4, 8),
            "a": Tensor("F16", (2,), 0, 4),
            "empty": Tensor("F16", (0, 7), 4, 4),
            "scalar": Tensor("F32", (), 8, 12),
        },
        metadata={"format": "pt"},
        data_start=8 + len(json.dumps(header)),
    )


def test_blanks_after_the_header_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(pack(b'{"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}     ', b"x"))
    assert list(read_header(file).tensors) == ["a"]


def test_what_the_library_writes_is_read_alike(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    file = tmp_path / "model.safetensors"
    numpy.save_file({"x": np.zeros((2, 3), "f4"), "y": np.ones(5, "f2")}, file, {"k": "v"})
    header = read_header(file)
    with safetensors.safe_open(file, "np") as opened:
        assert header.metadata == opened.metadata()
        assert set(header.tensors) == set(opened.keys())
    assert {name: tensor.shape for name, tensor in header.tensors.items()} == {"x": (2, 3), "y": (5,)}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0\0", "cut off after 2 bytes"),
        ((2**60).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((2**64 - 1).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((100_000_001).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((1000).to_bytes(8, "little") + b'{"a"', "cut off inside its header"),
        (pack(b""), "not a safetensors file"),
        (pack(b"[]"), "not a safetensors file"),
        (pack(b"{nonsense}"), "not valid JSON"),
        (pack(b'{"a": "\xff"}'), "not valid JSON"),
        (pack(b'{"a":' + b"[" * 100_000), "not valid JSON"),
        (pack({"a": 5}), "'a' makes no sense"),
        (pack({"a": {"dtype": "F16"}}), "'a' makes no sense"),
        (pack({"a": entry(0, 2, [1], "F17")}, b"xx"), "'a' makes no sense"),
        (pack({"a": entry(0, 2, [-1])}, b"xx"), "'a' makes no sense"),
        (pack({"a": entry(-2, 0, [1])}, b"xx"), "'a' makes no sense"),
        (pack(b'{"a": {"dtype":[],"shape":[1],"data_offsets":[0,2]}}', b"xx"), "'a' makes no sense"),
        (pack(b'{"a": {"dtype":"F16","shape":[true],"data_offsets":[0,2]}}', b"xx"), "'a' makes no sense"),
        (pack({"a": entry(0, 2, [2])}, b"xx"), "'a' does not fit its shape"),
        (pack({"a": entry(2, 0, [2**62, 4])}, b"xx"), "'a' does not fit its shape"),
        (pack({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)), "'b' overlaps"),
        (pack({"a": entry(0, 4), "b": entry(6, 8)}, bytes(8)), "leaves a gap"),
        (pack({"a": entry(0, 4), "b": entry(4, 2**60)}, bytes(8)), "cut off: 8 of"),
        (pack({"a": entry(0, 4)}, bytes(3)), "cut off: 3 of 4 bytes"),
        (pack({"a": entry(0, 4)}, bytes(5)), "goes on for 1 bytes"),
        (
            pack(
                b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
                b"x",
            ),
            "names 'a' twice",
        ),
        (pack({"__metadata__": {"k": 1}}), "metadata must be text"),
        (pack(b'{"__metadata__": {"k": "\\ud800"}}'), "not Unicode"),
        (pack(b'{"\\ud800": {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), "not Unicode"),
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"\n  <html lang=en>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git-lfs pointer"),
        (b'{"error":"Unauthorized"}', "error message"),
        (b"Access to model x is restricted.", "error message"),
        (b"PK\x03\x04" + bytes(20), "pickled"),
        (b"\x80\x02}q\x00" + bytes(20), "pickled"),
        (b"GGUF" + bytes(20), "GGUF"),
    ],
)
def test_unsound_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(tmp_path, data)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "model.safetensors")
    assert "a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refusal(tmp_path / "pipe")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_header_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.safetensors"
    for content in (data, pack(data), pack(b"{" + data)):
        file.write_bytes(content)
        try:
            read_header(file)
        except UserError as error:
            assert len(error.problems) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F16", "F32", "U8"]) | json_values,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | json_values,
        "data_offsets": st.lists(st.integers(-1, 20), min_size=2, max_size=2) | json_values,
    }
)


@given(st.dictionaries(st.text(max_size=5), entries | json_values, max_size=3), st.binary(max_size=20))
def test_any_json_gives_a_header_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, object], data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "json.safetensors"
    file.write_bytes(pack(header, data))
    try:
        found = read_header(file)
    except UserError:
        return
    assert sum(tensor.end - tensor.begin for tensor in found.tensors.values()) == len(data)


def test_a_lying_length_takes_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as opened:
        opened.write((2**60).to_bytes(8, "little") + b"{")
        opened.truncate(2**40)
    code = (
        "from pathlib import Path; from loratui.formats.tensorfile import read_header;"
        f" read_header(Path({str(file)!r}))"
    )
    limit = 400 << 20

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, preexec_fn=limited
    )
    assert "UserError" in done.stderr
    assert "not a safetensors file" in done.stderr


def test_a_model_of_seven_gigabytes_is_read_by_its_header(tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "model.safetensors", {f"t{n}": (1024, 1024) for n in range(3300)})
    assert file.stat().st_size > 6_900_000_000
    assert len(read_header(file).tensors) == 3300


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x10480])
def test_a_header_whose_length_looks_like_the_start_of_a_pickle(tmp_path: Path, length: int) -> None:
    raw = json.dumps({"__metadata__": {"note": "x"}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + raw.ljust(length))
    assert read_header(path).metadata == {"note": "x"}
