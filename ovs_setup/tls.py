"""TLS of a switch: the files of certificate, key and authority with which Open vSwitch speaks to the RMS.

Open vSwitch has one set of these for all its connections; it reads the files again when they change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ovs_setup import OvsSetupError
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.pki.folder import Folder


class TlsFiles(NamedTuple):
    """Paths of a node's private key, its certificate and that of the authority."""

    key: str
    certificate: str
    authority: str

    def unreadable(self) -> dict[str, str]:
        """The files that cannot be read, each with the reason."""
        faults = {}
        for path in self:
            try:
                with Path(path).open("rb") as file:
                    file.read(1)
            except OSError as error:
                faults[path] = error.strerror or str(error)
        return faults


def wanted_files(profile: Profile, node: str) -> TlsFiles | None:
    """The files by which a node's switch speaks TLS; None when the profile wants none."""
    if not profile.rms.openflow.tls:
        return None
    if profile.certificates.folder is None:
        raise OvsSetupError("rms.openflow.tls needs certificates.folder in the profile")
    folder = Folder(profile.certificates.folder)
    return TlsFiles(str(folder.key(node)), str(folder.certificate(node)), str(folder.authority))


def readable_files(profile: Profile, node: str) -> TlsFiles | None:
    """The same; ``OvsSetupError`` with file and remedy when one cannot be read."""
    files = wanted_files(profile, node)
    for path, reason in ({} if files is None else files.unreadable()).items():
        raise OvsSetupError(
            f"{node}: {path} cannot be read: {reason}; it comes from the host of the authority, where "
            f"'pmipls pki issue {node}' makes it"
        )
    return files


def present_setting(ovs: OpenVSwitch) -> list[str]:
    """The arguments of ``ovs-vsctl set-ssl`` that make the present setting; none when there is none."""
    for row in ovs.rows("SSL", "private_key", "certificate", "ca_cert", "bootstrap_ca_cert"):
        files = [row["private_key"], row["certificate"], row["ca_cert"]]
        return ["--bootstrap", *files] if row["bootstrap_ca_cert"] else files
    return []


def present_files(ovs: OpenVSwitch) -> TlsFiles | None:
    """The files with which a switch speaks TLS now; None when it has none."""
    setting = present_setting(ovs)
    return TlsFiles(*setting[-len(TlsFiles._fields) :]) if setting else None


def vsctl_step(setting: Sequence[str]) -> list[str]:
    """The command of ``ovs-vsctl`` that makes a setting, or removes it when there is none."""
    options = [word for word in setting if word.startswith("--")]
    return [*options, "set-ssl", *setting[len(options) :]] if setting else ["del-ssl"]
