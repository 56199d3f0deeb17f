"""Certificates of a lab: an authority of its own in the lab's directory, and certificates for all nodes.

All nodes of a lab are this machine's root, and could read each other's keys: these are in folders of their own, as on
real hosts, and no more than that.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import yaml

from ryu_pmipls.domain.profile import Certificates, Profile, is_beyond_loopback
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.library import require_cryptography
from ryu_pmipls.pki.node_names import node_names

#: The folder of certificates in a lab's directory.
FOLDER = "pki"


def with_folder(profile: Profile, directory: Path) -> Profile:
    """The profile of a lab, with a folder for the certificates if its nodes need some.

    That is the profile's own if it is there, else one in the lab's ``directory``.
    """
    folder, signalling = profile.certificates.folder, profile.signalling
    by_ipsec = signalling.ipsec and signalling.ipsec_keys is None
    needed = profile.rms.openflow.tls or by_ipsec or _serves_rest_with_tls(profile)
    if not needed or (folder is not None and folder.exists()):
        return profile
    return profile.model_copy(update={"certificates": Certificates(folder=directory / FOLDER)})


def _serves_rest_with_tls(profile: Profile) -> bool:
    apis = [node.api.host for node in (*profile.lmas, *profile.mags) if node.api is not None]
    return any(map(is_beyond_loopback, (profile.rms.rest.host, *apis)))


def write_profile(profile: Profile, source: Path, copy: Path) -> None:
    """Copy the file of a profile for the processes of a lab, with the folder of certificates that ``profile`` has."""
    text = source.read_text(encoding="utf-8-sig")
    folder = profile.certificates.folder
    if folder is not None:
        document = yaml.safe_load(text)
        section = document.get("certificates", {})
        if section.get("folder") != str(folder):
            document["certificates"] = {**section, "folder": str(folder)}
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    copy.write_text(text, encoding="utf-8")


def make_certificates(profile: Profile, directory: Path) -> None:
    """Make what is missing of the profile's folder of certificates, if it is in the lab's directory.

    Elsewhere it is somebody else's. ``LabError`` when it cannot be made.
    """
    path = profile.certificates.folder
    if path is None or not path.is_relative_to(directory):
        return
    try:
        require_cryptography()
        _make(profile, Folder(path))
    except PkiError as error:
        raise LabError(f"the lab's certificates cannot be made: {error}") from None


def _make(profile: Profile, folder: Folder) -> None:
    from ryu_pmipls.pki.authority import Authority, establish
    from ryu_pmipls.pki.files import locked

    now = datetime.now(timezone.utc)
    if not folder.authority.exists():
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        establish(folder, folder.authority_key, profile.domain, now)
    with locked(folder):
        authority = Authority.open(folder, folder.authority_key, profile.domain, node_names(profile), now)
        for node in authority.without():
            authority.issue(node)
