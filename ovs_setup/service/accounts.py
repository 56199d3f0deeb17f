"""System users, each with a group of its own name, by the programs of Debian's package passwd."""

from __future__ import annotations

import grp
import pwd
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ovs_setup.vswitch import OpenVSwitch


class Ids(NamedTuple):
    """Numbers of a user and its group."""

    user: int
    group: int


ROOT = Ids(0, 0)


def ids(user: str) -> Ids | None:
    """The numbers of a user, None when there is no such user."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return None
    return Ids(found.pw_uid, found.pw_gid)


def make(host: OpenVSwitch, user: str) -> bool:
    """Make a user that cannot log in and has no home; False when it is there already."""
    if ids(user) is not None:
        return False
    group = ["--gid", user] if _group(user) else ["--user-group"]
    options = ("--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
    host.execute("useradd", *options, *group, user)
    return True


def remove(host: OpenVSwitch, user: str) -> bool:
    """Remove a user and its group; False when there is none."""
    if ids(user) is None:
        return False
    host.execute("userdel", user)
    if _group(user):
        host.execute("groupdel", user)
    return True


def processes(user: Ids) -> list[int]:
    """Process ids of a user's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if path.stat().st_uid == user.user:
                found.append(int(path.name))
    return sorted(found)


def join(host: OpenVSwitch, user: str, group: str) -> bool:
    """Make a user a member of another group; False when it is one already, or when there is no such group."""
    found = _group(group)
    if found is None or user in found.gr_mem:
        return False
    host.execute("usermod", "--append", "--groups", group, user)
    return True


def _group(name: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None
