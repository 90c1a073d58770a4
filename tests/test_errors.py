from __future__ import annotations

import pytest

from hinode.errors import BadInput, EngineError, HinodeError, ModelError, OutputError, join_names, quote


def test_says_what_is_wrong_and_what_to_do_in_one_sentence() -> None:
    assert str(HinodeError("the lamp is dark", "light it")) == "the lamp is dark; light it"
    assert str(HinodeError("the lamp is dark")) == "the lamp is dark"


def test_bad_input_names_its_field() -> None:
    error = BadInput("size 0x0 is out of range", "give more", field="size")
    assert (error.field, error.exit_code, error.code) == ("size", 2, "bad_input")


@pytest.mark.parametrize(
    ("kind", "code"), [(ModelError, "model"), (EngineError, "engine"), (OutputError, "output")]
)
def test_faults_exit_with_1_and_keep_their_published_codes(kind: type[HinodeError], code: str) -> None:
    assert (kind("x").exit_code, kind("x").code) == (1, code)


def test_words_for_messages() -> None:
    assert join_names(("a",)) == "a"
    assert join_names(("a", "b")) == "a and b"
    assert join_names(("a", "b", "c"), "or") == "a, b or c"
    assert quote("x" * 1000) == repr("x" * 39 + "…")
    assert "\n" not in quote("two\nlines")
