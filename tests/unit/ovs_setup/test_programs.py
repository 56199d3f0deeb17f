"""Programs in sbin are found whatever PATH was."""

from __future__ import annotations

import os

import click
import pytest
from click.testing import CliRunner

from ovs_setup.__main__ import main as ovs_setup
from ovs_setup.programs import search_sbin
from ryu_pmipls.cli import main as pmipls


def test_sbin_comes_after_what_path_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/opt/bin:/usr/sbin:/usr/bin")
    search_sbin()
    assert os.environ["PATH"] == "/opt/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/sbin"


def test_a_process_without_path_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    search_sbin()
    assert {"/bin", "/usr/sbin"} <= {*os.environ["PATH"].split(":")}


@pytest.mark.parametrize(
    ("command", "arguments"), [(pmipls, ["check", "--profile", "nowhere"]), (ovs_setup, ["lma", "lma9"])]
)
def test_the_commands_search_sbin(
    command: click.Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    assert CliRunner().invoke(command, arguments).exit_code != 0
    assert "/usr/sbin" in os.environ["PATH"].split(":")
