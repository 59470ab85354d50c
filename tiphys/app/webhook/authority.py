"""An authority of the webhook's own, and the certificates that it signs: in files of the data folder, renewed when a third of their time is
left. The only module that needs the package `cryptography`, so it is imported by who asks for such certificates."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tiphys.app.local import write_secretly
from tiphys.app.webhook.pair import Pair

__all__ = ["make"]

_LEAF_LIFE: Final = timedelta(days=90)
_AUTHORITY_LIFE: Final = timedelta(days=730)
_BACKDATED: Final = timedelta(minutes=5)  # a clock that is a little behind ours


def make(folder: Path, names: Sequence[str], now: datetime) -> tuple[Pair, bytes]:
    """The present certificate, and all authorities that may have signed one that is in use, newest first. Blocks."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _read_pair(folder / "authority.pem")
    if authority is None or _renew(authority.chain, now):
        old = folder / "authority-before.pem"
        if authority is not None:
            write_secretly(old, authority.chain.decode())
        authority = _authority(now)
        write_secretly(folder / "authority.pem", (authority.key + authority.chain).decode())
    leaf = _read_pair(folder / "tls.pem")
    if leaf is None or _renew(leaf.chain, now) or not _is_of(leaf.chain, authority.chain, names):
        leaf = _leaf(authority, names, now)
        write_secretly(folder / "tls.pem", (leaf.key + leaf.chain).decode())
    return leaf, authority.chain + _before(folder / "authority-before.pem", now)


def _before(path: Path, now: datetime) -> bytes:
    if not path.exists():
        return b""
    chain = path.read_bytes()
    return chain if x509.load_pem_x509_certificate(chain).not_valid_after_utc > now else b""


def _read_pair(path: Path) -> Pair | None:
    if not path.exists():
        return None
    key, mark, chain = path.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    return Pair(mark + chain, key) if mark else None


def _renew(chain: bytes, now: datetime) -> bool:
    found = x509.load_pem_x509_certificate(chain)
    life = found.not_valid_after_utc - found.not_valid_before_utc
    return now > found.not_valid_after_utc - life / 3


def _is_of(chain: bytes, authority: bytes, names: Sequence[str]) -> bool:
    leaf, issuer = x509.load_pem_x509_certificate(chain), x509.load_pem_x509_certificate(authority)
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return found == _alternative_names(names)


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    made: list[x509.GeneralName] = []
    for name in names:
        try:
            made.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            made.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(made)


def _authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"tiphys-webhook-{now:%Y%m%d%H%M%S}")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, key, now, _AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(
        usage, critical=True
    )
    return _signed(builder, key, key)


def _leaf(authority: Pair, names: Sequence[str], now: datetime) -> Pair:
    issuer = x509.load_pem_x509_certificate(authority.chain)
    signer: Any = serialization.load_pem_private_key(authority.key, None)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _builder(subject, issuer.subject, key, now, _LEAF_LIFE)
    builder = builder.add_extension(_alternative_names(names), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return _signed(builder.add_extension(known, critical=False), key, signer)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: Any) -> Pair:
    made = builder.sign(signer, hashes.SHA256())
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(made.public_bytes(serialization.Encoding.PEM), text)
