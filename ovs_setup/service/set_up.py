"""Make a node's process a service of a host, and undo it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ovs_setup import OvsSetupError
from ovs_setup.node import SERVICE_BRIDGE
from ovs_setup.service import access, accounts, receive_buffers, sockets, units
from ovs_setup.service.accounts import Ids
from ovs_setup.service.units import Node
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.privileges import USERS, capabilities_of, user_of
from ryu_pmipls.domain.profile import Lma, Profile, Rms

Progress = Callable[[str], None]

#: Folders that services do not see (``ProtectHome`` and ``PrivateTmp``).
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))


def set_up(host: OpenVSwitch, profile: Profile, node: Node, profile_path: Path, progress: Progress) -> None:
    """Make user, directories, modes and unit; tells each change, and changes nothing when all is there.

    ``OvsSetupError`` when the service could not work; nothing has been changed then.
    """
    user, programs = user_of(node), Path(sys.executable).parent
    for path in (programs / "pmipls", Path(sys.executable).resolve(), profile_path):
        require_reachable(path)
    _refuse_shared_state(node)
    if accounts.make(host, user):
        progress(f"user {user}: made")
    found = accounts.ids(user)
    assert found is not None
    _make_places(profile, node, found, progress)
    _open_sockets(host, profile, node, progress)
    confined = isinstance(node, Rms) and "CAP_NET_ADMIN" not in capabilities_of(profile, node)
    if confined and receive_buffers.raise_limits(host):
        progress(f"{receive_buffers.LIMITS_FILE}: sockets may have larger buffers")
    if _write(units.unit_path(node), units.unit(profile, node, programs, profile_path)):
        progress(f"{units.unit_path(node)}: written")
    _reload(host)


def tear_down(host: OpenVSwitch, profile: Profile, node: Node, progress: Progress) -> None:
    """Undo :func:`set_up`: the service ends, its files are root's again, unit and user go.

    ``OvsSetupError``, and nothing has been changed, when the user's processes run without systemd.
    """
    user = user_of(node)
    if Path("/run/systemd/system").is_dir() and units.unit_path(node).exists():
        host.execute("systemctl", "disable", "--now", units.unit_name(node))
    found = accounts.ids(user)
    if found is not None and (running := accounts.processes(found)):
        raise OvsSetupError(f"{user} runs process {', '.join(map(str, running))}; end it first")
    for path in (units.unit_path(node), units.STRONGSWAN_ADDITION):
        if path.exists():
            path.unlink()
            progress(f"{path}: removed")
    _reload(host)
    with suppress(OvsError):  # without the package acl no entry has been made
        sockets.close_to(host, user, _sockets(host, node))
    if isinstance(node, Rms) and receive_buffers.restore_limits(host):
        progress(f"{receive_buffers.LIMITS_FILE}: removed")
    for place in access.places(profile, node):
        if access.withdraw(place):
            progress(f"{place.path}: root's")
    if accounts.remove(host, user):
        progress(f"user {user}: removed")


def faults(host: OpenVSwitch, profile: Profile, node: Node) -> Iterator[str]:
    """What keeps a service from its work, or gives it or others more than they need; for a user that there is."""
    user = user_of(node)
    found = accounts.ids(user)
    assert found is not None
    if not units.unit_path(node).exists():
        yield f"there is no {units.unit_path(node)}"
    for place in access.places(profile, node):
        if text := access.fault(place, found):
            yield text
    try:
        closed = sockets.closed_to(host, user, _sockets(host, node))
    except OvsError as error:
        yield str(error)
    else:
        yield from (f"{user} may not use {path}" for path in closed)


def require_reachable(path: Path) -> None:
    """Raise ``OvsSetupError`` for a file that a service with another user than root's could not read."""
    hidden = next((folder for folder in _HIDDEN if path.is_relative_to(folder)), None)
    if hidden is not None:
        raise OvsSetupError(f"{path}: a service sees nothing below {hidden}; install below /opt, for example")
    for each in (path, *path.parents):
        try:
            mode = each.stat().st_mode
        except OSError as error:
            raise OvsSetupError(f"{each}: {error.strerror}") from None
        if not mode & (0o001 if each.is_dir() else 0o004):
            raise OvsSetupError(f"{each}: other users than root cannot read it: chmod o+rX {each}")


def _refuse_shared_state(node: Node) -> None:
    """Raise for a state directory within that of another service, or around it: neither lets the other in."""
    own = units.state_directory(node)
    below = own.iterdir() if own.is_dir() else ()
    for folder in (*own.parents, *below):
        for other in USERS - {user_of(node)}:
            found = accounts.ids(other)
            if found is not None and folder.exists() and folder.stat().st_uid == found.user:
                raise OvsSetupError(
                    f"{own} cannot be a state directory beside {folder}, which {other} has on this host; give the RMS "
                    "another rms.state_directory in the profile, such as /var/lib/pmipls-rms"
                )


def _make_places(profile: Profile, node: Node, user: Ids, progress: Progress) -> None:
    units.state_directory(node).mkdir(parents=True, exist_ok=True)
    for place in access.places(profile, node):
        if access.grant(place, user):
            progress(f"{place.path}: mode {place.mode:04o}, for {user_of(node)}")


def _open_sockets(host: OpenVSwitch, profile: Profile, node: Node, progress: Progress) -> None:
    user = user_of(node)
    if isinstance(node, Lma) and accounts.join(host, user, sockets.BIRD_GROUP):
        progress(f"user {user}: in the group {sockets.BIRD_GROUP}, for its control socket")
    if profile.signalling.ipsec and _write(units.STRONGSWAN_ADDITION, units.strongswan_addition(node)):
        progress(f"{units.STRONGSWAN_ADDITION}: written")
    sockets.open_to(host, user, _sockets(host, node))


def _sockets(host: OpenVSwitch, node: Node) -> list[Path]:
    """The sockets of Open vSwitch and strongSwan that are there."""
    switch = [] if isinstance(node, Rms) else sockets.switch_sockets(host, SERVICE_BRIDGE)
    return switch + [path for path in (units.VICI_SOCKET,) if path.exists()]


def _write(path: Path, text: str) -> bool:
    """Write a file; False when it is so already."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return True


def _reload(host: OpenVSwitch) -> None:
    if Path("/run/systemd/system").is_dir():
        host.execute("systemctl", "daemon-reload")
