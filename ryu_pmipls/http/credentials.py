"""What a client shows to an RMS, and by what it knows it: where a user's token and CA are found."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ryu_pmipls.domain.profile import RMS_NAME, Profile, is_beyond_loopback
from ryu_pmipls.http.access.local_token import read_local_token
from ryu_pmipls.pki.folder import Folder

TOKEN_VARIABLE, CA_VARIABLE = "PMIPLS_TOKEN", "PMIPLS_CA"
_REVOCATIONS = "crl.pem"
_LARGEST = 4096


class CredentialsError(Exception):
    """A token, a CA or a certificate that was found and cannot be used; the text is for a person."""


@dataclass(frozen=True)
class Credentials:
    """Where token and CA for the RMS at ``url`` are looked for, in this order.

    ``token_file`` and ``ca`` are options of a command; then come the environment and the user's folder for that RMS, if
    ``of_user``; then what this host has of it: certificates of its ``profile``, if known, and the token of local
    operators in one of ``state_directories``.
    """

    url: str
    profile: Profile | None = None
    state_directories: tuple[Path, ...] = ()
    token_file: Path | None = None
    ca: Path | None = None
    of_user: bool = True

    def token(self) -> str | None:
        """The token to send, if there is one; ``CredentialsError`` when it cannot be read or must not be sent."""
        token = self._token()
        parts = urlsplit(self.url)
        if token is not None and parts.scheme == "http" and is_beyond_loopback(parts.hostname or ""):
            raise CredentialsError(f"{self.url}: no token is sent beyond loopback without TLS; use https")
        return token

    def context(self) -> ssl.SSLContext:
        """TLS by which the RMS is known, with the certificate of a node of this host, if its key can be read.

        A revocation list counts that is beside the CA's file, as in a folder of certificates.
        """
        context = _trusting(self._ca())
        folder = self._folder()
        if folder is not None:
            _show_certificate(context, folder)
        return context

    @property
    def server_name(self) -> str | None:
        """The name in the certificate of the profile's RMS; None: that of the URL."""
        return None if self.profile is None else f"{RMS_NAME}.{self.profile.domain}"

    def _token(self) -> str | None:
        if self.token_file is not None:
            return _read(self.token_file)
        if self.of_user:
            token = os.environ.get(TOKEN_VARIABLE)
            if token:
                return _checked(token, f"${TOKEN_VARIABLE}")
            for folder in self._user_folders():
                path = folder / "token"
                if path.is_file():
                    _require_private(path)
                    return _read(path)
        if not is_beyond_loopback(urlsplit(self.url).hostname or ""):
            return read_local_token(self.state_directories, self.url)
        # What it is the token of, its certificate tells; that of another RMS would be of no use.
        return None if self.profile is None else read_local_token(self.state_directories[:1], None)

    def _ca(self) -> Path | None:
        """The CA's file; None: the host's own authorities."""
        if self.ca is not None:
            return self.ca
        if self.of_user:
            named = os.environ.get(CA_VARIABLE)
            if named:
                return Path(named)
            for folder in self._user_folders():
                if (folder / "ca.pem").is_file():
                    return folder / "ca.pem"
        folder_of_profile = self._folder()
        return None if folder_of_profile is None else folder_of_profile.authority

    def _folder(self) -> Folder | None:
        path = None if self.profile is None else self.profile.certificates.folder
        return None if path is None else Folder(path)

    def _user_folders(self) -> list[Path]:
        """The user's folders for this RMS: that of its host and port, then that of its host."""
        parts = urlsplit(self.url)
        above = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pmipls"
        return [above / parts.netloc, above / (parts.hostname or "")]


def _trusting(ca: Path | None) -> ssl.SSLContext:
    revocations = None if ca is None else ca.with_name(_REVOCATIONS)
    try:
        context = ssl.create_default_context(cafile=ca)
        if revocations is not None and revocations.is_file():
            context.load_verify_locations(revocations)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except OSError as error:
        raise CredentialsError(f"{ca}: is no file of certificates in PEM, or not so {_REVOCATIONS}: {error}") from None
    return context


def _show_certificate(context: ssl.SSLContext, folder: Folder) -> None:
    """Have a context show the certificate of a node whose key this user may read, the RMS's before others."""
    for node in sorted(folder.nodes(), key=lambda name: name != RMS_NAME):
        if os.access(folder.key(node), os.R_OK):
            try:
                context.load_cert_chain(folder.certificate(node), folder.key(node))
            except OSError as error:
                raise CredentialsError(f"{folder.certificate(node)}: cannot be used: {error}") from None
            return


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            return _checked(file.read(_LARGEST), str(path))
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise CredentialsError(f"{path}: has no token in it") from None


def _checked(text: str, place: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError(f"{place}: has no token in it")
    return token


def _require_private(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialsError(f"{path}: others can read this token; chmod 600 {path}")
