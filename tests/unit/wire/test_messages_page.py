from __future__ import annotations

from pathlib import Path

from ryu_pmipls.wire import MESSAGES, OPTIONS, OWN_OPTIONS
from ryu_pmipls.wire.reference import reference

PAGE = Path(__file__).resolve().parents[3] / "docs" / "messages.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m ryu_pmipls.wire.reference > docs/messages.md"


def test_the_page_has_every_message_and_option() -> None:
    described = [kind.description.title for kind in MESSAGES]
    described += [kind.description.title for kind in (*OPTIONS.values(), *OWN_OPTIONS.values())]
    for title in described:
        assert f"### {title}\n" in reference()
