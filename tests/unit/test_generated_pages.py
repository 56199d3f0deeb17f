from __future__ import annotations

from pathlib import Path

from docs.generators.commands import page
from docs.generators.messages import reference
from docs.generators.wireshark import script
from ryu_pmipls.wire import MESSAGES, OPTIONS, OWN_OPTIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_current() -> None:
    page = (DOCS / "messages.md").read_text(encoding="utf-8")
    assert page == reference(), "run python -m docs.generators.messages > docs/messages.md"


def test_the_page_of_the_commands_is_current() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert text == page(), "run python -m docs.generators.commands > docs/cli.md"


def test_the_wireshark_dissector_is_current() -> None:
    """What it does is tried in ``tests/integration/test_wireshark_dissector.py``."""
    text = (DOCS / "pmipls.lua").read_text(encoding="utf-8")
    assert text == script(), "run python -m docs.generators.wireshark > docs/pmipls.lua"


def test_the_page_has_every_message_and_option() -> None:
    described = [kind.description.title for kind in MESSAGES]
    described += [kind.description.title for kind in (*OPTIONS.values(), *OWN_OPTIONS.values())]
    for title in described:
        assert f"### {title}\n" in reference()
