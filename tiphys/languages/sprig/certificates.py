"""sprig's keys and certificates, with the package `cryptography` (the extra `crypto`), imported by the first call.

What makes an RSA or DSA key takes from a tenth of a second to many, at random: those functions are refused, and so are these where they
are asked for such a key. Signing with a key that is there takes a few milliseconds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import Function, GoError, Struct
from tiphys.languages.sprig.crypto import INSTALL
from tiphys.languages.sprig.encodings import decode_base64

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    _Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

__all__ = ["FUNCTIONS", "Certificate"]

_LARGEST_RSA: Final = 4096
_LONGEST: Final = 65_536
"""Characters of the longest PEM text."""


@dataclass(frozen=True)
class Certificate(Struct):
    """sprig's `certificate`: both parts in PEM."""

    cert: str
    key: str

    go: ClassVar[str] = "sprig.certificate"

    @property
    def fields(self) -> Mapping[str, Any]:
        """`Cert` and `Key`."""
        return {"Cert": self.cert, "Key": self.key}

    def __str__(self) -> str:
        return f"{{{self.cert} {self.key}}}"


def _library(name: str) -> None:
    try:
        import cryptography  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        raise GoError(f"{name} {INSTALL}") from error


def _private_key(kind: str) -> str:
    """A new key in PEM. Only of kinds that are made in no time."""
    if kind in ("", "rsa", "dsa"):
        raise GoError(
            f"genPrivateKey makes no {kind or 'rsa'} keys: that takes seconds of processor time; ecdsa and ed25519 it makes"
        )
    if kind not in ("ecdsa", "ed25519"):
        return "Unknown type " + kind
    _library("genPrivateKey")
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415  an extra

    return _key_text(ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else ed25519.Ed25519PrivateKey.generate())


def _key_text(key: _Key) -> str:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    plain = isinstance(key, ed25519.Ed25519PrivateKey)
    form = PrivateFormat.PKCS8 if plain else PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _read_key(text: str) -> _Key:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    if len(text) > _LONGEST:
        raise GoError(f"a key of {len(text):,} characters")
    try:
        # Whether an RSA key is sound takes longer to find out than to sign with it; a bad one makes a certificate that nobody takes.
        key = load_pem_private_key(to_bytes(text), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise GoError(f"parsing private key: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise GoError("x509: only RSA, ECDSA and Ed25519 keys supported")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size > _LARGEST_RSA:
        raise GoError(f"a key of {key.key_size} bits; at most {_LARGEST_RSA} are used")
    return key


def _read_certificate(data: bytes) -> x509.Certificate:
    from cryptography import x509  # noqa: PLC0415  an extra

    if len(data) > _LONGEST:
        raise GoError(f"a certificate of {len(data):,} bytes")
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise GoError(f"error parsing certificate: {error}") from error


def _texts(values: Sequence[Any] | None, what: str) -> list[str]:
    for value in values or ():
        if not isinstance(value, str):
            raise GoError(f"error processing {what}: {value!r} is not a string")
    return list(values or ())


def _names(addresses: Sequence[Any] | None, names: Sequence[Any] | None) -> list[x509.GeneralName]:
    from cryptography import x509  # noqa: PLC0415  an extra

    found: list[x509.GeneralName] = []
    try:
        found += [x509.DNSName(name) for name in _texts(names, "alternate dns name")]
        found += [x509.IPAddress(ipaddress.ip_address(address)) for address in _texts(addresses, "ip")]
    except ValueError as error:
        raise GoError(f"error parsing ip or dns name: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class _Request:
    """What a certificate is to say."""

    name: str
    days: int
    names: Sequence[x509.GeneralName] = ()
    authority: bool = False


def _subject(name: str) -> x509.Name:
    from cryptography import x509  # noqa: PLC0415  an extra
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    except ValueError as error:
        raise GoError(f"error creating certificate: {error}") from error


def _signed(request: _Request, key: _Key, issuer: x509.Certificate | None, issuer_key: _Key) -> Certificate:
    """A certificate for `key` with sprig's extensions, signed by `issuer`, or by itself."""
    from cryptography import x509  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    now = datetime.now(UTC)
    subject = _subject(request.name)
    try:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=request.days))
            .add_extension(_usage(request.authority), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=request.authority, path_length=None), critical=True)
        )
        if request.authority:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if request.names:
            builder = builder.add_extension(x509.SubjectAlternativeName(request.names), critical=not request.name)
        if issuer and (identifier := _key_identifier(issuer)):
            builder = builder.add_extension(identifier, critical=False)
        certificate = builder.sign(issuer_key, _digest(issuer_key))
    except (ValueError, OverflowError) as error:
        raise GoError(f"error creating certificate: {error}") from error
    return Certificate(certificate.public_bytes(Encoding.PEM).decode(), _key_text(key))


def _usage(authority: bool) -> x509.KeyUsage:
    from cryptography import x509  # noqa: PLC0415  an extra

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier | None:
    from cryptography import x509  # noqa: PLC0415  an extra

    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _digest(key: _Key) -> Any:
    """The hash that Go signs with."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def _authority(name: str, days: int, key_text: str) -> Certificate:
    _library("genCAWithKey")
    key = _read_key(key_text)
    return _signed(_Request(name, days, authority=True), key, None, key)


def _self_signed(name: str, addresses: list[Any] | None, names: list[Any] | None, days: int, key_text: str) -> Certificate:
    _library("genSelfSignedCertWithKey")
    key = _read_key(key_text)
    return _signed(_Request(name, days, _names(addresses, names)), key, None, key)


def _signed_by(
    name: str, addresses: list[Any] | None, names: list[Any] | None, days: int, authority: Certificate, key_text: str
) -> Certificate:
    _library("genSignedCertWithKey")
    key, issuer, issuer_key = _read_key(key_text), _read_certificate(to_bytes(authority.cert)), _read_key(authority.key)
    if issuer.public_key() != issuer_key.public_key():
        raise GoError("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey")
    return _signed(_Request(name, days, _names(addresses, names)), key, issuer, issuer_key)


def _custom(certificate: str, key: str) -> Certificate:
    """A certificate and its key out of base64, once both can be read."""
    _library("buildCustomCert")
    texts: list[bytes] = []
    for text, what in ((certificate, "certificate"), (key, "private key")):
        try:
            texts.append(decode_base64(text))
        except ValueError as error:
            raise GoError(f"unable to decode base64 {what}") from error
    _read_certificate(texts[0])
    _read_key(texts[1].decode("utf-8", "surrogateescape"))
    return Certificate(*(text.decode("utf-8", "surrogateescape") for text in texts))


_LISTS: Final = ("[]interface{}", "[]interface{}")
_TYPE: Final = "sprig.certificate"

FUNCTIONS: Final = (
    Function("genPrivateKey", ("string",), _private_key, "string"),
    Function("genCAWithKey", ("string", "int", "string"), _authority, _TYPE),
    Function("genSelfSignedCertWithKey", ("string", *_LISTS, "int", "string"), _self_signed, _TYPE),
    Function("genSignedCertWithKey", ("string", *_LISTS, "int", _TYPE, "string"), _signed_by, _TYPE),
    Function("buildCustomCert", ("string", "string"), _custom, _TYPE),
)
