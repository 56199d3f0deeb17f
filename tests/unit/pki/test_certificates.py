"""What certificates say, and their state in the course of time: no file, no clock."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.pki.certificates import (
    CURVE,
    Issuer,
    authority_certificate,
    authority_period,
    domain_of,
    list_number,
    names_of,
    node_certificate,
    node_of,
    node_period,
    revocation_list,
    revoked_entry,
    serial_text,
)
from ryu_pmipls.pki.node_names import NodeNames
from ryu_pmipls.pki.validity import State, Trust, node_state, signed_list, time_state
from tests.unit.pki.authorities import NAMES, NOW, days

KEY, NODE_KEY, OTHER_KEY = (ec.generate_private_key(CURVE()) for _ in range(3))


def issuer(lifetime: int = 3650, key: ec.EllipticCurvePrivateKey = KEY) -> Issuer:
    return Issuer(authority_certificate("two-lma", key, 7, authority_period(NOW, lifetime)), key)


def certificate(names: NodeNames = NAMES["lma1"], lifetime: int = 365, by: Issuer | None = None) -> x509.Certificate:
    by = by or issuer()
    period = node_period(NOW, lifetime, by.certificate)
    return node_certificate("lma1", names, NODE_KEY.public_key(), 8, period, by)


def trust(*revoked: int) -> Trust:
    by = issuer()
    return Trust(by.certificate, revocation_list([revoked_entry(serial, NOW) for serial in revoked], 5, NOW, by))


def test_a_certificate_says_node_domain_and_names() -> None:
    found = certificate()
    assert (node_of(found), domain_of(found), names_of(found)) == ("lma1", "two-lma", NAMES["lma1"])
    assert serial_text(found.serial_number) == "8".zfill(40)


@given(
    st.builds(
        NodeNames,
        st.frozensets(st.from_regex(r"[a-z][a-z0-9]{0,9}\.[a-z0-9][a-z0-9-]{0,40}", fullmatch=True), min_size=1),
        st.frozensets(st.builds(IPv6Address, st.integers(0, 2**128 - 1)) | st.builds(IPv4Address, st.integers(0, 9))),
    )
)
def test_all_names_come_back_from_a_certificate(names: NodeNames) -> None:
    assert names_of(certificate(names)) == names


def test_a_certificate_serves_both_ends_of_tls_and_ikev2_and_signs_no_others() -> None:
    extensions = certificate().extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {purpose.dotted_string for purpose in usage} == {
        "1.3.6.1.5.5.7.3.1",
        "1.3.6.1.5.5.7.3.2",
        "1.3.6.1.5.5.7.3.17",
    }
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and not constraints.value.ca
    key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert key_usage.digital_signature and not key_usage.key_cert_sign


def test_a_certificate_holds_an_hour_ago_too_and_does_not_outlast_its_authority() -> None:
    by = issuer(lifetime=100)
    found = certificate(lifetime=365, by=by)
    assert found.not_valid_before_utc == NOW - timedelta(hours=1)
    assert found.not_valid_after_utc == by.certificate.not_valid_after_utc == days(100)
    assert certificate(lifetime=99, by=by).not_valid_after_utc == days(99)


@pytest.mark.parametrize(
    ("lifetime", "at", "state"),
    [
        (365, -0.05, State.NOT_YET_VALID),
        (365, 0, State.VALID),
        (365, 334.9, State.VALID),
        (365, 335.1, State.DUE),
        (365, 364.9, State.DUE),
        (365, 365.1, State.EXPIRED),
        (9, 5.9, State.VALID),
        (9, 6.1, State.DUE),
    ],
)
def test_a_certificate_is_due_a_month_before_its_end_or_in_the_last_third_of_a_short_life(
    lifetime: int, at: float, state: State
) -> None:
    found = certificate(lifetime=lifetime)
    assert time_state(found, days(at)) is state
    assert node_state(found, NAMES["lma1"], trust(), days(at)) is state


@given(st.integers(1, 3000), st.floats(-1, 3001))
def test_states_follow_each_other_in_time(lifetime: int, at: float) -> None:
    order = [State.NOT_YET_VALID, State.VALID, State.DUE, State.EXPIRED]
    found = certificate(lifetime=lifetime)
    now, later = time_state(found, days(at)), time_state(found, days(at + 1))
    assert order.index(now) <= order.index(later)
    assert now.usable == (found.not_valid_before_utc <= days(at) <= found.not_valid_after_utc)


def test_a_certificate_for_other_names_than_the_profiles_is_no_good() -> None:
    assert node_state(certificate(), NAMES["lma2"], trust(), NOW) is State.OTHER_NAMES
    assert node_state(certificate(), None, trust(), NOW) is State.UNKNOWN_NODE


def test_a_revoked_certificate_is_revoked_whatever_else_it_is() -> None:
    assert node_state(certificate(), NAMES["lma1"], trust(9), NOW) is State.VALID
    for at in (-2, 0, 350, 400):
        assert node_state(certificate(), NAMES["lma1"], trust(9, 8), days(at)) is State.REVOKED


def test_another_authority_of_the_same_name_counts_for_nothing() -> None:
    stranger = issuer(key=OTHER_KEY)
    assert node_state(certificate(by=stranger), NAMES["lma1"], trust(), NOW) is State.OTHER_AUTHORITY
    assert not signed_list(revocation_list([], 1, NOW, stranger), issuer().certificate)
    assert signed_list(trust().revocations, issuer().certificate)


def test_keys_and_names_of_any_other_kind_count_for_nothing() -> None:
    """A folder may have what an administrator has brought from elsewhere."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([])
    malformed = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03\x82\x09x")
    stranger = (
        x509.CertificateBuilder(name, name, key.public_key(), 9, NOW, days(9))
        .add_extension(malformed, False)
        .sign(key, None)
    )
    assert (node_of(stranger), domain_of(stranger), list(names_of(stranger))) == ("", "", [])
    assert node_state(stranger, NAMES["lma1"], trust(), NOW) is State.OTHER_AUTHORITY
    assert not Trust(stranger, trust().revocations).issued(certificate())
    assert not signed_list(trust().revocations, stranger)


def test_a_revocation_list_has_a_number_and_lasts_as_long_as_the_authority() -> None:
    found = trust(8).revocations
    assert list_number(found) == 5
    assert found.next_update_utc == issuer().certificate.not_valid_after_utc
    assert found.last_update_utc < NOW  # clocks of nodes may be behind
