"""The certificates of a domain's switches, for OpenFlow by TLS."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from pathlib import Path

from ryu_pmipls.domain.profile import RMS_NAME, Profile
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import own_name
from ryu_pmipls.pki.tls_contexts import ServerContexts


class DomainCertificates:
    """The certificates of a domain, on the host of its RMS: they are in ``folder``.

    ``PkiError``, with file and remedy, when the RMS's own cannot be used.
    """

    def __init__(self, profile: Profile, folder: Path) -> None:
        self._contexts = ServerContexts(Folder(folder), RMS_NAME)
        nodes = (*profile.lmas, *profile.mags)
        self._datapath_ids = {own_name(node.name, profile.domain): node.datapath_id for node in nodes}

    @property
    def generation(self) -> int:
        return self._contexts.generation

    def context(self) -> ssl.SSLContext:
        return self._contexts.current()

    def datapath_id(self, names: Collection[str]) -> int | None:
        """The datapath id of the node whose own name is one of these; no certificate has those of two nodes."""
        return next((self._datapath_ids[name] for name in names if name in self._datapath_ids), None)

    def objection(self, certificate: bytes) -> str:
        return self._contexts.objection(certificate)
