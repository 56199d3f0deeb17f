"""Leases on a disk that is well, is full, or was cut off; and the messages that announce them."""

from __future__ import annotations

import asyncio
import json
from ipaddress import IPv6Network
from pathlib import Path

import pytest
from full_disk import disk_with_room_for

from ryu_pmipls.agents import lease_file
from ryu_pmipls.agents.lease_file import LeaseFile
from ryu_pmipls.mobility import Lease
from ryu_pmipls.wire import BindingAcknowledgement, Heartbeat, HomeNetworkPrefix
from ryu_pmipls.wire.codepoints import BindingStatus

ONE, TWO = IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:2::/64")


def acknowledgement(prefix: IPv6Network, status: int = BindingStatus.ACCEPTED, lifetime: int = 900):
    option = HomeNetworkPrefix(prefix.network_address, prefix.prefixlen)
    return BindingAcknowledgement(status, 1, lifetime, options=(option,))


def test_leases_outlive_a_restart(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    for lease in (Lease(ONE, b"a@x"), Lease(TWO, b"\xff@y"), Lease(ONE, b""), Lease(ONE, b"c@z")):
        file.record(lease)
    assert LeaseFile(tmp_path).leases == {TWO: b"\xff@y", ONE: b"c@z"}
    assert len((tmp_path / "leases").read_text().splitlines()) == 2


def test_what_was_cut_short_was_told_to_nobody(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    file.record(Lease(ONE, b"a@x"))
    file.record(Lease(TWO, b"b@x"))
    whole = (tmp_path / "leases").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "leases").write_bytes(whole[:length])
        leases = LeaseFile(tmp_path).leases
        assert leases in ({}, {ONE: b"a@x"}, {ONE: b"a@x", TWO: b"b@x"})
        assert (ONE in leases) == (length > whole.index(b"\n"))


@pytest.mark.parametrize("room", range(0, 27, 3))
def test_what_a_full_disk_refuses_is_kept_when_there_is_room(tmp_path: Path, room: int) -> None:
    """However much of a line it has taken before."""
    path = tmp_path / "leases"
    file = LeaseFile(tmp_path)
    file.record(Lease(ONE, b"a@x"))
    before = path.read_bytes()
    with pytest.raises(OSError, match="large"), disk_with_room_for(len(before) + room):
        file.record(Lease(TWO, b"b@x"))
    assert file.fault is not None and path.read_bytes() == before
    with pytest.raises(OSError, match="large"), disk_with_room_for(len(before) + room):
        file.record(Lease(ONE, b""))
    assert path.read_bytes() == before
    file.keep()
    assert file.fault is None and not file.unkept
    assert LeaseFile(tmp_path).leases == {TWO: b"b@x"}


def test_only_the_last_change_of_a_prefix_waits(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    for identifier in (b"a@x", b"", b"b@x"):
        with pytest.raises(OSError, match="large"), disk_with_room_for(0):
            file.record(Lease(ONE, identifier))
    assert file.unkept == {ONE: Lease(ONE, b"b@x")}
    file.record(Lease(TWO, b"c@x"))
    assert LeaseFile(tmp_path).leases == {ONE: b"b@x", TWO: b"c@x"}


def test_an_lma_starts_with_its_leases_on_a_full_disk(tmp_path: Path) -> None:
    LeaseFile(tmp_path).record(Lease(ONE, b"a@x"))
    path = tmp_path / "leases"
    whole = path.read_bytes()
    path.write_bytes(whole + b"[cut short")
    with disk_with_room_for(0):
        file = LeaseFile(tmp_path)
    assert file.leases == {ONE: b"a@x"}
    file.record(Lease(TWO, b"b@x"))
    assert LeaseFile(tmp_path).leases == {ONE: b"a@x", TWO: b"b@x"}


def test_an_lma_without_a_disk_begins_to_keep_leases_when_it_has_one(tmp_path: Path) -> None:
    directory = tmp_path / "missing"
    file = LeaseFile(directory)
    with pytest.raises(FileNotFoundError):
        file.record(Lease(ONE, b"a@x"))
    directory.mkdir()
    file.keep()
    assert LeaseFile(directory).leases == {ONE: b"a@x"}


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_file, "_SPARE_LINES", 10)
    file = LeaseFile(tmp_path)
    file.record(Lease(TWO, b"b@x"))
    lengths = set()
    for _ in range(100):
        file.record(Lease(ONE, b"a@x"))
        file.record(Lease(ONE, b""))
        lengths.add(len((tmp_path / "leases").read_text().splitlines()))
    assert max(lengths) <= 14
    file.record(Lease(ONE, b"c@x"))
    assert LeaseFile(tmp_path).leases == {ONE: b"c@x", TWO: b"b@x"}


def test_an_acceptance_is_announced_when_its_lease_is_kept(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    with pytest.raises(OSError, match="large"), disk_with_room_for(0):
        file.record(Lease(ONE, b"a@x"))
    assert file.announces_unkept(acknowledgement(ONE))
    for other in (
        acknowledgement(TWO),
        acknowledgement(ONE, lifetime=0),
        acknowledgement(ONE, BindingStatus.INSUFFICIENT_RESOURCES),
        Heartbeat(1),
    ):
        assert not file.announces_unkept(other)
    file.keep()
    assert not file.announces_unkept(acknowledgement(ONE))


def test_what_the_disk_has_refused_is_tried_until_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_file, "_RETRY_INTERVAL", 0.0)
    file = LeaseFile(tmp_path)
    failures: list[str] = []

    async def run() -> None:
        task = asyncio.ensure_future(file.keep_trying(lambda what, error: failures.append(f"{what}: {error}")))
        with disk_with_room_for(0):
            while len(failures) < 3:
                await asyncio.sleep(0)
        while file.unkept:
            await asyncio.sleep(0)
        task.cancel()

    with pytest.raises(OSError, match="large"), disk_with_room_for(0):
        file.record(Lease(ONE, b"a@x"))
    asyncio.run(asyncio.wait_for(run(), 60))
    assert {*failures} == {"keeping leases: [Errno 27] File too large"}
    assert LeaseFile(tmp_path).leases == {ONE: b"a@x"}


def test_lines_are_what_they_were(tmp_path: Path) -> None:
    """Files of earlier versions can be read, and theirs of later ones."""
    (tmp_path / "leases").write_text('["2001:db8:1::/64", "a@x"]\n["2001:db8:2::/64", "\\u00ff@y"]\n')
    file = LeaseFile(tmp_path)
    assert file.leases == {ONE: b"a@x", TWO: b"\xff@y"}
    lines = (tmp_path / "leases").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [["2001:db8:1::/64", "a@x"], ["2001:db8:2::/64", "\u00ff@y"]]
