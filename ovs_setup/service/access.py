"""Files and directories that the user of a service needs: who owns them, and who may use them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ovs_setup.service.accounts import ROOT, Ids
from ovs_setup.service.units import Node, name_of, state_directory
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.pki.folder import Folder


@dataclass(frozen=True)
class Place:
    """A file or a directory, with its modes as part of a service and without one.

    With ``owned`` it is the service's, with all that is in it; else root's, and the group may read it.
    """

    path: Path
    mode: int
    mode_without: int
    owned: bool = False

    def ids(self, user: Ids) -> Ids:
        """Owner and group while there is a service."""
        return user if self.owned else Ids(ROOT.user, user.group)


def places(profile: Profile, node: Node) -> Iterator[Place]:
    """The places of a node's process."""
    yield Place(state_directory(node), 0o700, 0o700, owned=True)
    if profile.signalling.keys is not None:
        yield Place(profile.signalling.keys, 0o640, 0o600)
    if profile.certificates.folder is not None:
        key = Folder(profile.certificates.folder).key(name_of(node))
        yield Place(key.parent, 0o750, 0o700)
        yield Place(key, 0o640, 0o600)


def grant(place: Place, user: Ids) -> bool:
    """Let a service use a place that is there; False when it may already."""
    return _settle(place, place.ids(user), place.mode)


def withdraw(place: Place) -> bool:
    """Give a place that is there back to root; False when it is root's."""
    return _settle(place, ROOT, place.mode_without)


def fault(place: Place, user: Ids) -> str:
    """What keeps a service from a place, or lets others in; "" when nothing does, or when there is no such place."""
    wanted = place.ids(user)
    try:
        status = place.path.stat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{place.path}: {error.strerror}"
    if (status.st_uid, status.st_gid) != wanted:
        owner = f"user {status.st_uid} and group {status.st_gid}"
        return f"{place.path}: belongs to {owner}, not to {wanted.user} and {wanted.group}"
    mode = stat.S_IMODE(status.st_mode)
    return "" if mode == place.mode else f"{place.path}: has the mode {mode:04o}, not {place.mode:04o}"


def _settle(place: Place, ids: Ids, mode: int) -> bool:
    if not place.path.exists():
        return False
    changed = _give(place.path, ids)
    if place.owned:
        for folder, folders, names in os.walk(place.path):
            for name in (*folders, *names):
                changed |= _give(Path(folder) / name, ids)
    if stat.S_IMODE(place.path.stat().st_mode) != mode:
        place.path.chmod(mode)
        changed = True
    return changed


def _give(path: Path, ids: Ids) -> bool:
    status = path.lstat()
    # What a service has put there may be a second name of a file elsewhere.
    if (status.st_uid, status.st_gid) == ids or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1):
        return False
    os.chown(path, *ids, follow_symlinks=False)
    return True
