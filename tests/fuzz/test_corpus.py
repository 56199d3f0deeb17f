from __future__ import annotations

from importlib import import_module

import pytest

from tests.fuzz import CORPORA


@pytest.mark.parametrize("target", sorted(path.name for path in CORPORA.iterdir()))
def test_no_input_of_the_corpus_is_a_finding(target: str) -> None:
    execute = import_module(f"tests.fuzz.{target}").execute
    inputs = sorted((CORPORA / target).iterdir())
    assert inputs
    for path in inputs:
        try:
            execute(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"finding in {path}") from error
