"""The certificate of a running process, for its health."""

from __future__ import annotations

from datetime import datetime, timezone

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.file_stamps import Stamps, stamps
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.library import require_cryptography
from ryu_pmipls.pki.node_names import node_names

#: Seconds between two examinations while no file changes.
_INTERVAL = 60.0


class OwnCertificate:
    """The certificate of the node ``node`` on its host, if the profile names a folder of certificates."""

    def __init__(self, profile: Profile, node: str) -> None:
        path = profile.certificates.folder
        self._folder = None if path is None else Folder(path)
        self._node = node
        self._names = node_names(profile)[node]
        self._stamps: Stamps = ()
        self._examined = float("-inf")
        self._reasons: list[str] = []

    def reasons(self, now: float, wall: float) -> list[str]:
        """Faults of the certificate at ``now`` (monotonic clock), which is ``wall`` in seconds since 1970."""
        if self._folder is None:
            return []
        found = stamps(self._folder, self._node)
        if found != self._stamps or now - self._examined >= _INTERVAL:
            self._stamps, self._examined = found, now
            self._reasons = self._examine(self._folder, datetime.fromtimestamp(wall, timezone.utc))
        return self._reasons

    def _examine(self, folder: Folder, now: datetime) -> list[str]:
        try:
            require_cryptography()
            from ryu_pmipls.pki.authority import read_trust
            from ryu_pmipls.pki.examined_certificates import examine_authority, examine_node

            trust = read_trust(folder)
        except PkiError as error:
            return [f"the certificate of {self._node} cannot be checked: {error}"]
        own = examine_node(folder, self._node, self._names, trust, now, key_needed=True)
        return [examined.sentence for examined in (own, examine_authority(trust, now)) if examined.bad]
