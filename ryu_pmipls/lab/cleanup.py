"""Cleanup of a lab: all that it makes in the machine is recorded first, so that it can be removed whatever happened.

The record needs no profile: a lab whose profile is gone, or no longer suits this version, can be removed too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv6Address
from pathlib import Path

from pyroute2 import IPRoute

from ovs_setup.cgroup import CpuGroup
from ovs_setup.ipsec.set_up import tear_down
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.places import LAB_DIRECTORY
from ryu_pmipls.lab import namespaces, processes
from ryu_pmipls.lab.lab_error import LabError

#: Parent of the directories of all labs, each named after the lab's prefix.
STATE = LAB_DIRECTORY
_RECORD = "lab.json"

Progress = Callable[[str], None]


def say_nothing(text: str) -> None:
    """Discard a line of progress."""


@dataclass(frozen=True)
class LabObjects:
    """Names of all that a lab makes outside its directory and its processes."""

    namespaces: tuple[str, ...] = ()
    host_ports: tuple[str, ...] = ()
    cpu_groups: tuple[str, ...] = ()
    ipsec_address: str = ""  # the RMS's, whose signalling is protected on this host


def directory(prefix: str) -> Path:
    """Directory of a lab's files."""
    return STATE / prefix


def prefixes() -> list[str]:
    """Prefixes of all labs that are up, or of which something is left."""
    return sorted(path.parent.name for path in STATE.glob(f"*/{_RECORD}"))


def recorded(prefix: str) -> bool:
    """True when a lab is up, or something is left of it."""
    return (directory(prefix) / _RECORD).exists()


def record(prefix: str, objects: LabObjects) -> None:
    """Claim the prefix. Only one of several claimants succeeds; the others get a ``LabError``."""
    directory(prefix).mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(directory(prefix) / _RECORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise LabError(
            f"a lab with prefix {prefix!r} is up already, or an interrupted one left things behind; "
            f"'pmipls lab down --prefix {prefix}' removes it"
        ) from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(objects), file)


def remove(prefix: str, progress: Progress = say_nothing) -> None:
    """Remove a lab whatever state it is in; when there is none, do nothing."""
    path = directory(prefix) / _RECORD
    if recorded(prefix):
        text = path.read_text()
        objects = LabObjects(**json.loads(text)) if text else LabObjects()  # empty: nothing had been made yet
        progress("processes")
        spaces = namespaces.identities(objects.namespaces)
        processes.stop(processes.of_lab(prefix, spaces))
        progress("namespaces and links")
        _remove_network(objects)
        processes.stop(processes.of_lab(prefix, spaces))  # whoever came in just before the namespace lost its name
        progress("CPU groups and files")
        for group in objects.cpu_groups:
            CpuGroup(group).remove()
        for entry in directory(prefix).iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry != path:
                entry.unlink()
        path.unlink()  # last, for a removal that was interrupted itself
    with suppress(OSError):
        directory(prefix).rmdir()
        STATE.rmdir()  # unless other labs are up


def _remove_network(objects: LabObjects) -> None:
    with IPRoute() as routing:
        for port in objects.host_ports:
            for index in routing.link_lookup(ifname=port):
                routing.link("del", index=index)
    for name in objects.namespaces:
        namespaces.remove(name)
    if objects.ipsec_address:
        tear_down(OpenVSwitch(), IPv6Address(objects.ipsec_address), None)
