"""Certificates of a lab: an authority of its own in the lab's directory, and certificates for all nodes."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.library import require_cryptography
from ryu_pmipls.pki.node_names import node_names

#: The folder of certificates in a lab's directory.
FOLDER = "pki"


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
