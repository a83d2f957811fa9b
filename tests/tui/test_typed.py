"""What people type and paste: numbers with commas, paths in quotes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.places import expanded
from loratui.problems import UserError
from loratui.tui.wizard.answers.values import Kind, shown, typed_value
from loratui.tui.wizard.panes.pasted import bare_path


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0,5", "number", 0.5),
        ("0,001", "number", 0.001),
        ("1,5", "number", 1.5),
        ("1,234.5", "number", 1234.5),
        ("1,234,567", "number", 1234567.0),
        ("5e-5", "number", 5e-5),
        ("1,500", "whole", 1500),
        ("12,345,678", "whole", 12345678),
        ("1_000", "whole", 1000),
        ("512,768", "size", [512, 768]),
    ],
)
def test_commas_mean_what_they_mean_to_a_person(text: str, kind: Kind, value: object) -> None:
    assert typed_value("x", text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1,500", "number"), ("1,5", "whole"), ("0,5", "whole"), ("1,,2", "number"), ("1,2,3", "number")],
)
def test_what_may_mean_two_numbers_is_asked_for_again(text: str, kind: Kind) -> None:
    with pytest.raises(UserError, match="for example"):
        typed_value("x", text, kind)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_shown_can_be_typed_again(value: float) -> None:
    assert shown(typed_value("x", shown(value), "number")) == shown(value)


def test_paths_come_out_of_quotes_backslashes_and_addresses(tmp_path: Path) -> None:
    real = tmp_path / "my model's.safetensors"
    real.touch()
    for text in (
        str(real),
        f'"{real}"',
        f"  {real}\n",
        str(real).replace(" ", "\\ ").replace("'", "\\'"),
        real.as_uri(),
    ):
        assert bare_path(text) == str(real)
    assert bare_path("'/no/such file'") == "/no/such file"
    odd = tmp_path / "'quoted'"
    odd.touch()
    assert bare_path(str(odd)) == str(odd)
    assert bare_path("'/one without its other") == "'/one without its other"
    assert bare_path("~/a") == "~/a"


@given(st.text(max_size=60))
def test_any_text_is_some_path(text: str) -> None:
    assert isinstance(bare_path(text), str)


def test_a_home_that_nobody_has_is_a_path_like_another() -> None:
    assert expanded("~no-such-user-here/x") == Path("~no-such-user-here/x")
    assert expanded("~/x") == Path.home() / "x"
