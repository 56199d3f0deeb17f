"""Sockets of other daemons that a service uses: Open vSwitch's, bird's and strongSwan's.

Open vSwitch makes its sockets for root alone, anew at each start. An entry in their access control lists (acl(5)) lets
one more user in; ``ovs_setup`` makes it, which has to be run after each start of Open vSwitch anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ovs_setup.service import accounts
from ovs_setup.vswitch import OpenVSwitch

#: Group of those who may ask bird.
BIRD_GROUP = "bird"


def switch_sockets(ovs: OpenVSwitch, bridge: str) -> list[Path]:
    """The sockets by which an agent speaks to its switch: database, flow entries of ``bridge``, and commands."""
    directory = ovs.run_directory
    paths = [directory / "db.sock", directory / f"{bridge}.mgmt", *directory.glob("ovs-vswitchd.*.ctl")]
    return [path for path in paths if path.exists()]


def open_to(host: OpenVSwitch, user: str, sockets: Iterable[Path]) -> None:
    """Let a user connect to sockets, if there is such a user."""
    paths = [str(path) for path in sockets]
    if paths and accounts.ids(user) is not None:
        host.execute("setfacl", "--modify", f"user:{user}:rw", *paths)


def close_to(host: OpenVSwitch, user: str, sockets: Iterable[Path]) -> None:
    """Let a user connect to sockets no more."""
    paths = [str(path) for path in sockets]
    if paths and accounts.ids(user) is not None:
        host.execute("setfacl", "--remove", f"user:{user}", *paths)


def closed_to(host: OpenVSwitch, user: str, sockets: Iterable[Path]) -> list[Path]:
    """The sockets to which a user cannot connect."""
    return [path for path in sockets if f"user:{user}:rw" not in host.execute("getfacl", "--omit-header", str(path))]
