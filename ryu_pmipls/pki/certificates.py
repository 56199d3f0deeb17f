"""Building of certificates and revocation lists (RFC 5280), and what they say. Pure but for the random signatures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ryu_pmipls.pki.node_names import NodeNames

#: The curve of all keys: OpenSSL, strongSwan and Open vSwitch have it in every release, and TLS 1.3 requires it.
CURVE = ec.SECP256R1
#: A certificate is valid from so long before it is made: clocks of nodes may be behind the authority's.
BACKDATED = timedelta(hours=1)
#: Common name of an authority: no node can be called so.
_AUTHORITY = "pmipls authority"


@dataclass(frozen=True)
class Period:
    """The time from which and until which a certificate is valid, in UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Issuer:
    """The authority: its certificate, and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def authority_period(now: datetime, days: int) -> Period:
    """The validity of an authority's certificate that is made now."""
    return Period(now - BACKDATED, now + timedelta(days=days))


def node_period(now: datetime, days: int, authority: x509.Certificate) -> Period:
    """The validity of a node's certificate that is made now: it does not outlast that of the authority."""
    begin, end = authority.not_valid_before_utc, authority.not_valid_after_utc
    return Period(max(now - BACKDATED, begin), min(now + timedelta(days=days), end))


def authority_certificate(
    domain: str, key: ec.EllipticCurvePrivateKey, serial: int, period: Period
) -> x509.Certificate:
    """The certificate of a domain's authority, signed by its own key."""
    name = _distinguished_name(domain, _AUTHORITY)
    usage = _key_usage(signs_certificates=True)
    builder = _builder(name, name, key.public_key(), serial, period)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return builder.sign(key, SHA256())


def node_certificate(
    node: str, names: NodeNames, key: ec.EllipticCurvePublicKey, serial: int, period: Period, issuer: Issuer
) -> x509.Certificate:
    """The certificate of a node, for both ends of TLS and for IKEv2 (RFC 4945, section 5.1.3)."""
    authority = issuer.certificate
    subject = _distinguished_name(domain_of(authority), node)
    alternatives = [*map(x509.DNSName, sorted(names.dns)), *map(x509.IPAddress, sorted(names.addresses, key=str))]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.IPSEC_IKE]
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = _builder(subject, authority.subject, key, serial, period)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.SubjectAlternativeName(alternatives), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, SHA256())


def revocation_list(
    revoked: Iterable[x509.RevokedCertificate], number: int, now: datetime, issuer: Issuer
) -> x509.CertificateRevocationList:
    """The list ``number`` of an authority, valid as long as the authority.

    Nodes fetch no lists but are given them: a list that ended earlier would only stop a domain whose administrator is
    away, for OpenSSL refuses everybody when the list has ended.
    """
    authority = issuer.certificate
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(max(now - BACKDATED, authority.not_valid_before_utc))
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, SHA256())


def revoked_entry(serial: int, now: datetime) -> x509.RevokedCertificate:
    """The entry of a revocation list for a certificate that is revoked now."""
    return x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()


def list_number(revocations: x509.CertificateRevocationList) -> int:
    """The number of a revocation list."""
    return revocations.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serial_text(serial: int) -> str:
    """A serial number as people and files name it: 40 hexadecimal digits."""
    return f"{serial:040x}"


def node_of(certificate: x509.Certificate) -> str:
    """The node for which a certificate was issued."""
    return _attribute(certificate, NameOID.COMMON_NAME)


def domain_of(certificate: x509.Certificate) -> str:
    """The domain of a certificate."""
    return _attribute(certificate, NameOID.ORGANIZATION_NAME)


def names_of(certificate: x509.Certificate) -> NodeNames:
    """The names for which a certificate vouches; none if its extensions are missing or malformed."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return NodeNames(frozenset(), frozenset())
    addresses = found.get_values_for_type(x509.IPAddress)
    return NodeNames(
        frozenset(found.get_values_for_type(x509.DNSName)),
        frozenset(address for address in addresses if isinstance(address, IPv4Address | IPv6Address)),
    )


def _attribute(certificate: x509.Certificate, which: x509.ObjectIdentifier) -> str:
    values = certificate.subject.get_attributes_for_oid(which)
    return str(values[0].value) if values else ""


def _distinguished_name(domain: str, name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, domain), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, serial: int, period: Period
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(period.begin)
        .not_valid_after(period.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
