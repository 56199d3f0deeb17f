"""Coverage-guided fuzzing with atheris.

A target is a module here with a function ``execute(data: bytes) -> None``, which raises on a finding, and a folder of
inputs, ``corpus/<target>``. ``python -m tests.fuzz TARGET`` looks for new inputs; ``test_corpus.py`` executes those of
the corpora as plain tests, for which atheris is not needed.
"""

from pathlib import Path

CORPORA = Path(__file__).parent / "corpus"
