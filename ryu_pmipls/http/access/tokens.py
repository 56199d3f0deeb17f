"""Bearer tokens (RFC 6750): named, with a role and an end; their file has hashes only.

A token is 256 random bits. So a plain SHA-256 of it is as good as a slow hash: nobody can try out what it may be.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any

from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.state_files import replace_file

FILE_NAME = "tokens.json"
_OCTETS = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
#: Tokens in a file at most: all are compared with what a client sends.
_MOST = 256
_DAY = 86400.0


class TokenError(Exception):
    """A file of tokens that cannot be used, or a request that it does not allow; the text is for a person."""


class TokenInputError(TokenError):
    """A name that no token has, or that one has already, or that none may have."""


@dataclass(frozen=True)
class Token:
    """An entry of the file; times are seconds since 1970."""

    name: str
    role: AccessRole
    sha256: str
    created: float
    expires: float

    def is_valid(self, now: float) -> bool:
        """True until it expires."""
        return now < self.expires


def new_secret() -> str:
    """A random token."""
    return secrets.token_urlsafe(_OCTETS)


def digest(secret: str) -> str:
    """What is kept of a token."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class TokenFile:
    """The tokens in a state directory, read again when the file has changed."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def find(self, secret: str) -> Token | None:
        """The entry of a token, also of one that has expired; ``TokenError`` when the file cannot be used.

        The time that this takes tells nothing of the tokens there are.
        """
        wanted, found = digest(secret), None
        for token in self.tokens():
            if compare_digest(token.sha256, wanted):
                found = token
        return found

    def tokens(self) -> tuple[Token, ...]:
        """All entries, none without a file; ``TokenError`` when it cannot be used."""
        try:
            status = self.path.stat()
            stamp = status.st_mtime_ns, status.st_ino, status.st_size
            if stamp != self._stamp:
                self._tokens = tuple(_parsed(self.path.read_text(encoding="utf-8")))
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._tokens = None, ()
        except OSError as error:
            raise TokenError(f"{self.path}: cannot be read: {error.strerror}") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise TokenError(f"{self.path}: is damaged; remove it, and create all tokens anew") from None
        return self._tokens

    # Changes, by commands

    def create(self, name: str, role: AccessRole, days: float, now: float) -> str:
        """Add a token, and return it: it is nowhere else; raises ``TokenError``."""
        if not _NAME.fullmatch(name):
            raise TokenInputError(f"{name!r} is no name of a token; allowed: up to 64 letters, digits, and . _ @ -")
        secret = new_secret()
        with self._changing() as tokens:
            if any(token.name == name for token in tokens):
                raise TokenInputError(f"there is a token {name!r}; revoke it, or choose another name")
            if len(tokens) == _MOST:
                raise TokenInputError(f"there are {_MOST} tokens, and more are not allowed; revoke some")
            tokens.append(Token(name, role, digest(secret), now, now + days * _DAY))
        return secret

    def revoke(self, name: str) -> None:
        """Remove a token; raises ``TokenError``."""
        with self._changing() as tokens:
            left = [token for token in tokens if token.name != name]
            if len(left) == len(tokens):
                known = ", ".join(token.name for token in tokens) or "none"
                raise TokenInputError(f"there is no token {name!r}; there are: {known}")
            tokens[:] = left

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """The list of tokens, which is written if no exception is raised; no other process writes meanwhile."""
        directory = self.path.parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            tokens = list(self.tokens())
            yield tokens
            replace_file(self.path, _written(tokens))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _written(tokens: Iterable[Token]) -> str:
    return json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=2) + "\n"


def _parsed(text: str) -> Iterator[Token]:
    for entry in json.loads(text)["tokens"]:
        yield _token(**entry)


def _token(name: Any, role: Any, sha256: Any, created: Any, expires: Any) -> Token:
    if not (isinstance(name, str) and isinstance(sha256, str) and len(sha256) == 64 and sha256.isascii()):
        raise ValueError
    return Token(name, AccessRole(role), sha256, float(created), float(expires))
