"""Admission of requests: who asks is found out by token, certificate or Unix socket, and has the role, or not."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from math import ceil
from pathlib import Path

from ryu_pmipls.domain.profile import Profile, RestEndpoint
from ryu_pmipls.http.access.failed_attempts import FailedAttempts
from ryu_pmipls.http.access.roles import AccessRole, Caller, Client, certificate_caller, user_caller
from ryu_pmipls.http.access.tokens import Token, TokenError, TokenFile
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Who asks without a token, a certificate or a Unix socket.
ANONYMOUS = "nobody"
#: Who asks with the token that the server made at its start.
LOCAL_OPERATOR = "local operator"
_SCHEME = "bearer "
_REALM = 'Bearer realm="pmipls"'


class AccessRefusedError(Exception):
    """A request that is not admitted: ``status``, what to tell the client, and who asks, as far as that is known.

    ``headers`` belong to the answer (RFC 6750, section 3).
    """

    def __init__(self, status: int, message: str, who: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.who = who
        self.headers = headers


@dataclass(frozen=True)
class Rules:
    """Who is admitted besides callers at a Unix socket: bearers of tokens, nodes of a domain, and others.

    ``unauthenticated`` is the role of others, None if they have none; ``domain`` that of certificates.
    """

    domain: str = ""
    unauthenticated: AccessRole | None = None
    own_uid: int = 0
    own_group: int = 0


@dataclass
class AccessControl:
    """Finds out who asks, and whether it may; counts in ``refused``, by reason, who may not.

    ``clock`` counts seconds for limits, ``wall`` tells the date for the ends of tokens, in seconds since 1970.
    """

    rules: Rules
    tokens: TokenFile
    refused: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    local_token: str | None = None

    def __post_init__(self) -> None:
        self._failures = FailedAttempts(self.clock)
        self._limiter = RateLimiter()

    def admit(self, client: Client, authorization: str | None, needed: AccessRole) -> Caller:
        """Who asks for something that needs a role; ``AccessRefusedError`` unless it has that."""
        caller = self._caller(client, authorization)
        if caller.role is not None and caller.role.includes(needed):
            return caller
        if caller.name == ANONYMOUS:
            message = f"this needs a token or a certificate with the role {needed.value} (pmipls token create)"
            raise self._refusal(401, "no token", message, client)
        message = f"this needs the role {needed.value}, which {caller.name} does not have"
        raise self._refusal(403, "wrong role", message, client, caller.name, 'error="insufficient_scope"')

    def _caller(self, client: Client, authorization: str | None) -> Caller:
        if authorization is not None:
            return self._bearer(client, authorization)
        if client.user is not None:
            return user_caller(client.user, self.rules.own_uid, self.rules.own_group)
        node = certificate_caller(client.certificate, self.rules.domain)
        return node or Caller(ANONYMOUS, self.rules.unauthenticated)

    def _bearer(self, client: Client, authorization: str) -> Caller:
        """Who has a token; tokens are not even looked at after many failures, but for the local operator's."""
        if not authorization.lower().startswith(_SCHEME):
            raise self._refusal(401, "no bearer token", "the header Authorization must be: Bearer TOKEN", client)
        secret = authorization[len(_SCHEME) :].strip()
        if self.local_token is not None and compare_digest(_octets(secret), _octets(self.local_token)):
            return Caller(LOCAL_OPERATOR, AccessRole.OPERATE)
        wait = self._failures.wait(client.address)
        if wait > 0:
            refusal = self._refusal(429, "many failures", "too many attempts with wrong tokens; wait", client)
            refusal.headers["Retry-After"] = str(ceil(wait))
            raise refusal
        token = self._find(secret)
        if token is not None and token.is_valid(self.wall()):
            return Caller(f"token {token.name}", token.role)
        if token is None:
            self._failures.add(client.address)
            raise self._refusal(401, "unknown token", "no such token", client, error='error="invalid_token"')
        who = f"token {token.name}"
        raise self._refusal(401, "expired token", f"the {who} has expired", client, who, 'error="invalid_token"')

    def _find(self, secret: str) -> Token | None:
        try:
            return self.tokens.find(secret)
        except TokenError as error:
            if self._limiter.passes("file"):
                LOG.error("no token is accepted: %s", error)
            return None

    def _refusal(
        self, status: int, reason: str, message: str, client: Client, who: str = ANONYMOUS, error: str = ""
    ) -> AccessRefusedError:
        self.refused[f"rest: {reason}"] += 1
        if self._limiter.passes(reason):
            LOG.warning("REST refuses %s at %s: %s (%s)", who, client.place, message, reason)
        headers = {} if status == 429 else {"WWW-Authenticate": f"{_REALM}, {error}" if error else _REALM}
        return AccessRefusedError(status, message, who, headers)


def _octets(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogateescape")


def server_access(
    profile: Profile, endpoint: RestEndpoint | None, state_directory: Path, refused: Counter[str]
) -> AccessControl:
    """The access to a server of this process, which listens as ``endpoint`` says, and perhaps at a Unix socket."""
    allowed = "nothing" if endpoint is None else endpoint.unauthenticated_role
    role = None if allowed == "nothing" else AccessRole(allowed)
    rules = Rules(profile.domain, role, os.geteuid(), os.getegid())
    return AccessControl(rules, TokenFile(state_directory), refused)
