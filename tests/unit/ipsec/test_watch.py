"""The state of associations for health, and protection that a process needs to start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.ipsec import protection, watch
from ryu_pmipls.ipsec.charon import Charon, SecurityAssociation, _association
from ryu_pmipls.ipsec.clear_filter import Esp, rules
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.pairs import associations

PLAIN = load_profile("two-lma")
PROTECTED = PLAIN.model_copy(
    update={"signalling": PLAIN.signalling.model_copy(update={"protection": ("ipsec",), "ipsec_keys": Path("/k")})}
)
NODE = associations(PROTECTED, "mag1")
LISTING = rules(NODE, Esp.USER).replace("counter drop", "counter packets 5 bytes 300 drop")


def up(peer: str, established: int = 10) -> SecurityAssociation:
    return SecurityAssociation(peer, "ESTABLISHED", established, 1, (100 * established, 7))


class FakeCharon:
    def __init__(self) -> None:
        self.found = [up("lma1"), up("lma2"), up("rms")]
        self.known = {"lma1", "lma2", "rms", "another"}
        self.fault = ""

    def associations(self) -> list[SecurityAssociation]:
        if self.fault:
            raise IpsecError(self.fault)
        return self.found

    def connections(self) -> set[str]:
        if self.fault:
            raise IpsecError(self.fault)
        return self.known


@pytest.fixture
def charon(monkeypatch: pytest.MonkeyPatch) -> FakeCharon:
    fake = FakeCharon()

    def listed() -> str:
        return LISTING

    def made(*_: object) -> FakeCharon:
        return fake

    for module in (watch, protection):
        monkeypatch.setattr(module, "Charon", made)
        monkeypatch.setattr(module, "clear_filter_listing", listed)
    return fake


def reasons(profile: Profile = PROTECTED) -> list[str]:
    looking = watch.AssociationWatch(profile, "mag1")
    looking.look()
    return looking.reasons()


def test_all_is_well_while_each_peer_has_an_association(charon: FakeCharon) -> None:
    assert reasons() == []


def test_a_peer_without_a_child_that_protects_has_none(charon: FakeCharon) -> None:
    charon.found = [up("lma1"), SecurityAssociation("lma2", "CONNECTING", None, 0, (0, 0)), up("rms")]
    assert reasons() == ["mag1 has no security association with lma2"]


def test_a_silent_daemon_is_one_reason(charon: FakeCharon) -> None:
    charon.fault = "strongSwan does not answer"
    assert reasons() == ["IPsec of mag1: strongSwan does not answer"]


def test_lost_rules_are_a_reason(charon: FakeCharon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "clear_filter_listing", lambda: "")
    assert reasons() == ["mag1 has lost the rules that drop clear signalling: set up IPsec again"]


def test_without_ipsec_nothing_is_wrong(charon: FakeCharon) -> None:
    charon.fault = "strongSwan does not answer"
    assert reasons(PLAIN) == []
    assert watch.AssociationWatch(PLAIN, "mag1").document() == {"associations": [], "clear_packets_dropped": {}}
    protection.require_protection(PLAIN, "mag1")


def test_the_document_has_the_youngest_association_of_each_peer(charon: FakeCharon) -> None:
    charon.found = [up("lma1", 90), up("lma1", 3), SecurityAssociation("rms", "CONNECTING", None, 0, (0, 0))]
    looking = watch.AssociationWatch(PROTECTED, "mag1")
    looking.look()
    document = looking.document()
    by_peer = {each["peer"]: each for each in document["associations"]}
    assert {peer: each["state"] for peer, each in by_peer.items()} == {
        "rms": "negotiating",
        "lma1": "up",
        "lma2": "none",
    }
    assert (by_peer["lma1"]["established"], by_peer["lma1"]["octets_received"]) == (3, 300)
    assert document["clear_packets_dropped"] == {"received": 20, "sent": 10}


def _no_rules(charon: FakeCharon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "clear_filter_listing", lambda: "")


def _no_daemon(charon: FakeCharon, monkeypatch: pytest.MonkeyPatch) -> None:
    charon.fault = "strongSwan does not answer at /run/x: No such file"


def _no_connection(charon: FakeCharon, monkeypatch: pytest.MonkeyPatch) -> None:
    charon.known = {"rms"}


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_no_rules, "the rules that drop clear signalling are missing"),
        (_no_daemon, "strongSwan does not answer at /run/x"),
        (_no_connection, "strongSwan has no connection for lma1, lma2"),
    ],
)
def test_a_process_does_not_start_without_protection(
    charon: FakeCharon, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., None], fault: str
) -> None:
    protection.require_protection(PROTECTED, "mag1")
    spoil(charon, monkeypatch)
    with pytest.raises(IpsecError) as error:
        protection.require_protection(PROTECTED, "mag1")
    assert str(error.value).startswith(f"signalling.protection is ipsec, but {fault}")
    assert str(error.value).endswith("'python -m ovs_setup.ipsec mag1' sets up this host")


def test_answers_of_strongswan_are_read() -> None:
    entry: dict[str, Any] = {
        "state": b"ESTABLISHED",
        "established": b"12",
        "child-sas": {
            "lma1-1": {"state": b"INSTALLED", "bytes-in": b"10", "bytes-out": b"20"},
            "lma1-2": {"state": b"INSTALLED", "bytes-in": b"1", "bytes-out": b"2"},
            "lma1-3": {"state": b"REKEYED", "bytes-in": b"7"},
        },
    }
    assert _association("lma1", entry) == SecurityAssociation("lma1", "ESTABLISHED", 12, 2, (11, 22))
    assert _association("lma1", {"state": b"CONNECTING"}) == SecurityAssociation("lma1", "CONNECTING", None, 0, (0, 0))


def test_a_missing_daemon_is_one_message(tmp_path: Path) -> None:
    pytest.importorskip("vici")
    with pytest.raises(IpsecError, match=r"strongSwan does not answer at .*charon\.vici: No such file"):
        Charon(tmp_path / "charon.vici").associations()
