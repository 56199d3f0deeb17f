"""Set-up of a node's IPsec, and its undoing."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path

from ovs_setup import OvsSetupError
from ovs_setup.ipsec import daemon, steering
from ovs_setup.ipsec.connections import configuration
from ovs_setup.ipsec.esp import esp_here
from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.ipsec.clear_filter import TABLE, Esp, esp_of, rules
from ryu_pmipls.ipsec.pairs import Associations, associations
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.signalling.keys import load_keys

#: Debian's packages with the programs and plugins that are needed.
PACKAGES = ("charon-systemd", "strongswan-swanctl", "libcharon-extra-plugins", "libstrongswan-standard-plugins")
_PROGRAMS = ("charon-systemd", "swanctl", "nft")
_RENEWED = f"add table ip6 {TABLE}\ndelete table ip6 {TABLE}\n"  # also when it does not exist

_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")

Identities = Folder | Mapping[str, bytes]


def set_up(place: OpenVSwitch, profile: Profile, name: str, files: DaemonFiles, *, private: bool = False) -> bool:
    """Protect the signalling of the node ``name`` in the namespace of ``place``; true if the daemon must start anew.

    From then on none leaves or is accepted outside associations. May be run again at any time: that reads new
    certificates and keys. Everything is checked first: ``OvsSetupError`` names what is missing, and nothing has been
    changed then. ``KeyError`` for an unknown name. A daemon that runs has to :func:`load` what was written.
    """
    node = associations(profile, name)
    _require_programs()
    identities = _identities(profile, node)
    esp = esp_here(place)
    _install_filter(place, node, esp)
    _undo_steering(place, node.own.address)
    if esp is Esp.USER:
        place.execute("sh", "-ec", "\n".join(map(shlex.join, steering.commands(node))))
    if isinstance(identities, Folder):
        files.copy(identities, name)
    if private:
        files.prepare()
    texts = daemon.private(esp, files.socket, files.start) if private else daemon.of_a_host(esp, files.start)
    keys = None if isinstance(identities, Folder) else identities
    return files.write(texts, configuration(node, esp, keys), _start_script(node, esp, files, private))


def tear_down(place: OpenVSwitch, own: IPv6Address, files: DaemonFiles | None) -> None:
    """Undo :func:`set_up` for the node with the address ``own``; signalling may go in the clear then."""
    if files is not None and files.connections.exists():
        files.remove()
        with suppress(OvsError):  # it may not run
            load(place, files)
    _undo_steering(place, own)
    with suppress(OvsError):  # a host without nftables has no rules
        place.execute("nft", _RENEWED)


def load(place: OpenVSwitch, files: DaemonFiles) -> None:
    """Have the daemon that runs read connections, certificates and keys; ``OvsError`` if there is none."""
    place.execute(*_load_command(files))


def _load_command(files: DaemonFiles) -> list[str]:
    words = ["swanctl", "--load-all", "--noprompt", "--uri", f"unix://{files.socket}"]
    if files == DaemonFiles.of_host():
        return words
    return ["env", f"SWANCTL_DIR={files.swanctl}", *unconfined(), *words]


def unconfined() -> tuple[str, ...]:
    """What goes before a command with files that AppArmor's profiles for strongSwan do not know; often nothing."""
    try:
        enabled = _APPARMOR.read_text(encoding="ascii").startswith("Y")
    except OSError:
        enabled = False
    return ("aa-exec", "-p", "unconfined", "--") if enabled and shutil.which("aa-exec") else ()


def _require_programs() -> None:
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise OvsSetupError(
            f"{', '.join(missing)} is not installed; apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
        )


def _identities(profile: Profile, node: Associations) -> Identities:
    """Keys of the profile's file, else its certificates; errors of a faulty file are those of ``load_keys``."""
    if profile.signalling.ipsec_keys is not None:
        found = load_keys(profile.signalling.ipsec_keys, profile, node.own.address)
        return {peer.name: next(iter(found[peer.address].values())).secret for peer in node.peers}
    assert profile.certificates.folder is not None  # the profile was checked
    folder, name = Folder(profile.certificates.folder), node.own.name
    for path in (folder.authority, folder.revocations, folder.certificate(name), folder.key(name)):
        _require_file(path)
    return folder


def _require_file(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise OvsSetupError(
            f"{path}: cannot be read: {error.strerror}; 'pmipls pki' makes it (docs/security.md)"
        ) from None


def _install_filter(place: OpenVSwitch, node: Associations, esp: Esp) -> None:
    with suppress(OvsError):
        if esp_of(place.execute("nft", "-n", "list", "table", "ip6", TABLE), node) is esp:
            return
    try:
        place.execute("nft", _RENEWED + rules(node, esp))
    except OvsError as error:
        raise OvsSetupError(f"clear signalling cannot be dropped: {error.stderr}") from None


def _undo_steering(place: OpenVSwitch, own: IPv6Address) -> None:
    found = json.loads(place.execute("ip", "-6", "-json", "rule", "show") or "[]")
    for command in steering.undoing(own, found):
        with suppress(OvsError):  # it may be gone already
            place.execute(*command)


def _start_script(node: Associations, esp: Esp, files: DaemonFiles, private: bool) -> str:
    """The script that a daemon executes when it has started: its routes; a private one loads its connections, too."""
    commands = [*steering.daemon_routes(node)] if esp is Esp.USER else []
    if private:
        commands.append(tuple(_load_command(files)))
    return "\n".join(("#!/bin/sh", "PATH=$PATH:/usr/sbin:/sbin", *map(shlex.join, commands), ""))
