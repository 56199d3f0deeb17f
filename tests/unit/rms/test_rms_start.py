"""How the RMS starts and stops: the profile's settings, and what ends it with a message."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ryu_pmipls.controller.ryu import CONFIGURATION
from ryu_pmipls.controller.store import MemoryStore, SqliteStore, StoreError, open_store
from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from tests.conftest import merge
from tests.fakes.rms_domain import OPTIONS, profile_with, rms, rms_domain, running


def configured(path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options of ryu-manager by a profile."""
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    merge(document, changes)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("PMIPLS_PROFILE", str(path))
    rms._configure()
    found = {name: CONFIGURATION[name] for name in OPTIONS}
    for name in OPTIONS:
        CONFIGURATION.clear_default(name)
    return found


def test_the_profile_sets_the_options_of_ryu_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = {"openflow": {"host": "::1", "port": 7001}, "rest": {"host": "127.0.0.2", "port": 7002}}
    found = configured(tmp_path / "profile.yaml", {"rms": endpoints}, monkeypatch)
    assert found == dict(zip(OPTIONS, ("::1", 7001, "127.0.0.2", 7002, 0.5, 8), strict=True))
    slow = {"timers": {"openflow_echo_interval": 2}, "failure": {"missing_echoes_allowed": 3}}
    assert configured(tmp_path / "profile.yaml", slow, monkeypatch)["maximum_unreplied_echo_requests"] == 3
    quick = {"timers": {"openflow_echo_interval": 0.1}}
    assert configured(tmp_path / "profile.yaml", quick, monkeypatch)["maximum_unreplied_echo_requests"] == 40


def test_a_faulty_profile_ends_it_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMIPLS_PROFILE", str(tmp_path / "none.yaml"))
    with pytest.raises(SystemExit) as end:
        rms._configure()
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("ryu_pmipls.rms: ") and "none.yaml: there is no such file" in message


def test_a_store_that_cannot_be_used_ends_it_with_a_message() -> None:
    with rms_domain(profile_with()) as domain:
        domain.store.failing = lambda method: method == "load_bindings"
        with pytest.raises(SystemExit, match=r"^ryu_pmipls.rms: the disk is full \(load_bindings\)$"):
            domain.start_rms()


def test_an_address_that_is_taken_ends_it_with_a_message() -> None:
    with rms_domain(profile_with()) as domain:
        domain.start_rms()
        domain.rms.stop()
        with pytest.raises(
            SystemExit, match=r"^ryu_pmipls.rms: signalling at fd00:5213::99 cannot be opened: .*is the port taken\?$"
        ):
            domain.start_rms()


def test_no_privilege_where_it_is_needed_ends_it_with_a_message() -> None:
    with (
        rms_domain(profile_with({"signalling": {"transport": "raw"}})) as domain,
        pytest.raises(SystemExit, match=r"cannot be opened: .*; raw sockets need root or CAP_NET_RAW$"),
    ):
        domain.start_rms()


def test_rest_beyond_loopback_without_certificates_ends_it_with_a_message(tmp_path: Path) -> None:
    with rms_domain(profile_with()) as domain:
        CONFIGURATION.set_override("wsapi_host", "::")
        with pytest.raises(SystemExit, match=r"^ryu_pmipls.rms: REST needs TLS at ::, beyond loopback: set cert"):
            domain.start_rms()
    with rms_domain(profile_with({"certificates": {"folder": str(tmp_path)}})) as domain:
        CONFIGURATION.set_override("wsapi_host", "::")
        with pytest.raises(SystemExit, match=rf"^ryu_pmipls.rms: {tmp_path}"):
            domain.start_rms()


def test_each_start_makes_another_token_for_local_operators(tmp_path: Path) -> None:
    profile = profile_with({"rms": {"state_directory": str(tmp_path)}})
    found = []
    for _ in range(2):
        with running(profile) as domain:
            secret = domain.rms.access.local_token
            assert (tmp_path / "operator-token").read_text() == f"http://127.0.0.1:0 {secret}\n"
            found.append(secret)
    assert len({*found}) == 2
    (tmp_path / "operator-token").unlink()
    (tmp_path / "operator-token").mkdir()
    unwritten = pytest.raises(SystemExit, match="the token of local operators cannot be written")
    with rms_domain(profile) as domain, unwritten:
        domain.start_rms()


def test_certificates_that_cannot_be_used_end_it_with_a_message(tmp_path: Path) -> None:
    tls = {"rms": {"openflow": {"host": "::", "port": 6653, "tls": True}}}
    with (
        rms_domain(profile_with(tls)) as domain,
        pytest.raises(SystemExit, match=r"^ryu_pmipls.rms: rms.openflow.tls needs certificates.folder in the profile$"),
    ):
        domain.start_rms()
    with (
        rms_domain(profile_with({**tls, "certificates": {"folder": str(tmp_path)}})) as domain,
        pytest.raises(SystemExit, match=rf"^ryu_pmipls.rms: rms.openflow.tls: {tmp_path}/ca.pem: there is no"),
    ):
        domain.start_rms()


def test_ryus_own_options_for_tls_end_it_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMIPLS_PROFILE", "two-lma")
    CONFIGURATION.set_override("ctl_cert", "/etc/cert.pem")
    try:
        with pytest.raises(SystemExit) as end:
            rms._configure()
    finally:
        CONFIGURATION.clear_override("ctl_cert")
    assert end.value.code == 2
    assert "rms.openflow.tls in the profile" in capsys.readouterr().err


def test_a_key_file_that_cannot_be_used_ends_it_with_a_message(tmp_path: Path) -> None:
    keys = str(tmp_path / "none")
    with (
        rms_domain(profile_with({"signalling": {"keys": keys}})) as domain,
        pytest.raises(SystemExit, match=f"^ryu_pmipls.rms: {keys}"),
    ):
        domain.start_rms()


def test_the_store_is_the_one_that_the_profile_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def here(make: Any, *arguments: Any) -> Any:
        if make is not open_store:
            return make(*arguments)
        made.append((make, *arguments))
        return MemoryStore(tmp_path)

    profile = profile_with({"rms": {"store": "memory", "state_directory": str(tmp_path)}})
    with rms_domain(profile) as domain:
        monkeypatch.setattr(rms, "in_thread", here)
        domain.start_rms()
    assert made == [(open_store, "memory", tmp_path)]
    assert isinstance(open_store("memory", tmp_path), MemoryStore)
    opened = open_store("sqlite", tmp_path)
    assert isinstance(opened, SqliteStore)
    opened.close()
    with pytest.raises(StoreError):
        open_store("none", tmp_path)


def test_with_sqlite_in_place_of_memory_all_is_the_same(tmp_path: Path) -> None:
    with running(profile_with(), SqliteStore(tmp_path)) as domain:
        domain.attach(1, "mag1")
        domain.report_gateways()
        assert domain.ask("/v1/mags/mag1/adjust", {"lma": "lma2"})[0] in (200, 409)
        domain.run(2)
        before = domain.get("/v1/bindings")
        domain.store.store.close()
    with rms_domain(profile_with(), SqliteStore(tmp_path)) as domain:
        domain.start_rms()
        assert domain.get("/v1/bindings") == before
        domain.store.store.close()


def test_it_sets_the_interpreter_up_for_its_work_and_ends_all_its_green_threads() -> None:
    with running(profile_with()) as domain:
        assert gc.get_threshold()[0] == 50_000
        assert sys.getswitchinterval() == pytest.approx(0.0005)
        domain.stop_rms()
        asked = {name: switch.received.copy() for name, switch in domain.switches.items()}
        tidied = domain.store.called["tidy"]
        domain.run(10)
        assert {name: switch.received for name, switch in domain.switches.items()} == asked
        assert domain.store.called["tidy"] == tidied
        domain.start_rms()
