"""Where a client finds token and authority: options, environment, the user's folder, and what the host has."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.http import client
from ryu_pmipls.http.access.local_token import write_local_token
from ryu_pmipls.http.client import RmsOptions, base_url, rms_of, where
from ryu_pmipls.http.credentials import Credentials, CredentialsError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.tls_contexts import ServerContexts
from tests.unit.pki.authorities import PROFILE, established, opened

URL = "https://rms.example.net:8443"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has nothing."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("PMIPLS_TOKEN", "PMIPLS_CA", "PMIPLS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "STATE_DIRECTORY", tmp_path / "var")
    monkeypatch.setattr(client, "LAB_DIRECTORY", tmp_path / "labs")
    return tmp_path / "config" / "pmipls"


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def profile_at(host: str, state: Path) -> Profile:
    profile = load_profile("two-lma")
    rest = profile.rms.rest.model_copy(update={"host": host})
    return profile.model_copy(update={"rms": profile.rms.model_copy(update={"rest": rest, "state_directory": state})})


def test_the_option_goes_before_the_environment_and_that_before_the_users_folder(
    user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Credentials(URL).token() is None
    put(user / "rms.example.net" / "token", "of-the-host\n")
    assert Credentials(URL).token() == "of-the-host"
    assert Credentials("https://other.example.net").token() is None
    put(user / "rms.example.net:8443" / "token", "of-the-port\n")
    assert Credentials(URL).token() == "of-the-port"
    monkeypatch.setenv("PMIPLS_TOKEN", "of-the-environment")
    assert Credentials(URL).token() == "of-the-environment"
    assert Credentials(URL, token_file=put(tmp_path / "t", "of-the-option")).token() == "of-the-option"
    assert Credentials(URL, of_user=False).token() is None


def test_a_token_that_others_can_read_or_that_is_none_is_refused(user: Path, tmp_path: Path) -> None:
    put(user / "rms.example.net" / "token", "secret", 0o640)
    with pytest.raises(CredentialsError, match="others can read this token; chmod 600"):
        Credentials(URL).token()
    for text in ("", "two words", "é", "a\nb"):
        with pytest.raises(CredentialsError, match="has no token in it"):
            Credentials(URL, token_file=put(tmp_path / "t", text)).token()


def test_no_token_goes_in_the_clear_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMIPLS_TOKEN", "secret")
    for url in ("http://rms.example.net", "http://192.0.2.1:8080", "http://[2001:db8::1]"):
        with pytest.raises(CredentialsError, match="no token is sent beyond loopback without TLS"):
            Credentials(url).token()
    for url in ("http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"):
        assert Credentials(url).token() == "secret"


def test_the_local_token_is_that_of_the_rms_at_the_url_also_of_a_lab(tmp_path: Path) -> None:
    lab = write_local_token(tmp_path / "labs" / "pm" / "rms", "127.0.0.1", 8080)
    host = write_local_token(tmp_path / "var", "127.0.0.1", 8081)
    assert where(RmsOptions(url="http://127.0.0.1:8080")).credentials.token() == lab
    assert where(RmsOptions(url="http://localhost:8081")).credentials.token() == host
    assert where(RmsOptions(url="http://127.0.0.1:8082")).credentials.token() is None
    assert where(RmsOptions(url="https://evil.example:8080")).credentials.token() is None
    assert where(RmsOptions()).credentials.token() == lab  # without a profile


def test_the_rms_of_a_profile_is_asked_with_its_local_token(tmp_path: Path) -> None:
    profile = profile_at("127.0.0.1", tmp_path / "own")
    assert rms_of(profile).credentials.token() is None
    secret = write_local_token(tmp_path / "own", "127.0.0.1", 8080)
    assert rms_of(profile).credentials.token() == secret
    beyond = profile_at("2001:db8::99", tmp_path / "own")
    assert rms_of(beyond).credentials.token() == secret
    assert rms_of(beyond).credentials.server_name == "rms.two-lma"


def test_the_scheme_goes_by_where_the_rms_listens(tmp_path: Path) -> None:
    assert base_url(profile_at("127.0.0.1", tmp_path)) == "http://127.0.0.1:8080"
    assert base_url(profile_at("::1", tmp_path)) == "http://[::1]:8080"
    assert base_url(profile_at("2001:db8::1", tmp_path)) == "https://[2001:db8::1]:8080"
    assert base_url(profile_at("::", tmp_path)) == "https://[fd00:5213::99]:8080"


def test_an_authority_that_is_none_is_told(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Credentials(URL).context()  # those of the host
    with pytest.raises(CredentialsError, match="is no file of certificates in PEM"):
        Credentials(URL, ca=put(tmp_path / "ca.pem", "x")).context()
    put(user / "rms.example.net" / "ca.pem", "x")
    with pytest.raises(CredentialsError, match=r"rms.example.net/ca.pem: is no file"):
        Credentials(URL).context()
    monkeypatch.setenv("PMIPLS_CA", "/nowhere")
    with pytest.raises(CredentialsError, match="/nowhere: "):
        Credentials(URL).context()


def meets(folder: Folder, credentials: Credentials) -> bool:
    """True when a client with these credentials makes a handshake with the RMS of a folder of certificates."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ServerContexts(folder, "rms", ssl.CERT_OPTIONAL).current().wrap_bio(there, back, server_side=True)
    client = credentials.context().wrap_bio(back, there, server_hostname=credentials.server_name or "rms.example.net")
    try:
        for _ in range(4):
            for end in (client, server):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        server.write(b"done")
        return client.read(4) == b"done"
    except ssl.SSLError:
        return False


def test_the_rms_is_known_by_its_name_in_the_domain_until_its_certificate_is_revoked(
    user: Path, tmp_path: Path
) -> None:
    folder = established(tmp_path / "pki")
    opened(folder).issue("rms")
    certificates = PROFILE.certificates.model_copy(update={"folder": folder.path})
    profile = profile_at("::", tmp_path).model_copy(update={"certificates": certificates})
    known, unknown = rms_of(profile).credentials, Credentials(URL, ca=folder.authority)
    assert meets(folder, known)
    assert not meets(folder, unknown)  # by the name in the URL, which its certificate has not
    assert not meets(folder, Credentials("https://[fd00:5213::99]:8080", ca=established(tmp_path / "other").authority))
    opened(folder).revoke("rms")
    assert not meets(folder, known)
    put(tmp_path / "pki" / "crl.pem", "x")
    with pytest.raises(CredentialsError, match=r"or not so crl\.pem"):
        known.context()
