"""sprig's sums, randomness, AES and derived passwords.

AES needs the package `cryptography`, which is not installed unless asked for: it is imported by the first call that needs it.
`derivePassword` stretches its password for some 0.1 s. The stretched key of a password and user is kept, so that a template whose
password stands in the manifest pays once, not for every event.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
import zlib
from functools import lru_cache
from typing import Any, Final

from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig.bounds import check_text
from tiphys.languages.sprig.encodings import decode_base64

__all__ = ["FUNCTIONS", "INSTALL"]

INSTALL: Final = "needs the package cryptography: pip install tiphys[crypto]"

_BLOCK: Final = 16
_SEED: Final = b"com.lyndir.masterpassword"
_TEMPLATES: Final = {
    "maximum": ("anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"),
    "long": (
        "CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv", "CvccCvcvCvcvno", "CvcvnoCvccCvcv",
        "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc", "CvcvCvcvnoCvcc", "CvcvCvcvCvccno", "CvccnoCvccCvcv", "CvccCvccnoCvcv",
        "CvccCvccCvcvno", "CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno", "CvccnoCvcvCvcc", "CvccCvcvnoCvcc", "CvccCvcvCvccno",
    ),
    "medium": ("CvcnoCvc", "CvcCvcno"),
    "short": ("Cvcn",),
    "basic": ("aaanaaan", "aannaaan", "aaannaaa"),
    "pin": ("nnnn",),
}  # fmt: skip
_CHARACTERS: Final = {
    "V": "AEIOU",
    "C": "BCDFGHJKLMNPQRSTVWXYZ",
    "v": "aeiou",
    "c": "bcdfghjklmnpqrstvwxyz",
    "A": "AEIOUBCDFGHJKLMNPQRSTVWXYZ",
    "a": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
    "n": "0123456789",
    "o": "@&%?,=[]_:-+*$#!'^~;()/.",
    "x": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
}


def _sha1(text: str) -> str:
    return hashlib.sha1(to_bytes(text), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(to_bytes(text)).hexdigest()


def _sha512(text: str) -> str:
    return hashlib.sha512(to_bytes(text)).hexdigest()


def _adler32(text: str) -> str:
    return str(zlib.adler32(to_bytes(text)))


def _rand_bytes(count: int) -> str:
    """So many random bytes, in base64."""
    if count < 0:
        raise GoError("runtime error: makeslice: len out of range")
    check_text("randBytes", count)
    return base64.b64encode(os.urandom(count)).decode()


def _uuid() -> str:
    return str(uuid.uuid4())


def _counted(text: str) -> bytes:
    data = to_bytes(text)
    return len(data).to_bytes(4, "big") + data


@lru_cache(maxsize=64)
def _stretched(password: str, user: str) -> bytes:
    salt = _SEED + _counted(user)
    return hashlib.scrypt(to_bytes(password), salt=salt, n=32768, r=8, p=2, maxmem=80 << 20, dklen=64)


def _derive_password(counter: int, kind: str, password: str, user: str, site: str) -> str:
    """The Master Password algorithm, version 0 of which sprig has."""
    templates = _TEMPLATES.get(kind)
    if templates is None:
        return f"cannot find password template {kind}"
    message = _SEED + _counted(site) + counter.to_bytes(4, "big")
    seed = hmac.digest(_stretched(password, user), message, "sha256")
    template = templates[seed[0] % len(templates)]
    return "".join(_CHARACTERS[each][octet % len(_CHARACTERS[each])] for each, octet in zip(template, seed[1:], strict=False))


def _aes(name: str, password: str, vector: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415  an extra
    except ImportError as error:
        raise GoError(f"{name} {INSTALL}") from error
    return Cipher(algorithms.AES(to_bytes(password)[:32].ljust(32, b"\0")), modes.CBC(vector))


def _encrypt_aes(password: str, text: str) -> str:
    """AES-256 in CBC mode with PKCS 7 padding; the initial vector before it, all in base64."""
    if not text:
        return ""
    data = to_bytes(text)
    padding = _BLOCK - len(data) % _BLOCK
    vector = os.urandom(_BLOCK)
    encryptor = _aes("encryptAES", password, vector).encryptor()
    hidden = encryptor.update(data + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(vector + hidden).decode()


def _decrypt_aes(password: str, text: str) -> str:
    if not text:
        return ""
    try:
        data = decode_base64(text)
    except ValueError as error:
        raise GoError(str(error)) from error
    if len(data) <= _BLOCK or len(data) % _BLOCK:
        raise GoError("crypto/cipher: input not full blocks")
    decryptor = _aes("decryptAES", password, data[:_BLOCK]).decryptor()
    shown: bytes = decryptor.update(data[_BLOCK:]) + decryptor.finalize()
    if shown[-1] > len(shown):
        raise GoError("runtime error: slice bounds out of range")
    return from_bytes(shown[: len(shown) - shown[-1]])


FUNCTIONS: Final = (
    Function("sha1sum", ("string",), _sha1, "string"),
    Function("sha256sum", ("string",), _sha256, "string"),
    Function("sha512sum", ("string",), _sha512, "string"),
    Function("adler32sum", ("string",), _adler32, "string"),
    Function("randBytes", ("int",), _rand_bytes, "string"),
    Function("uuidv4", (), _uuid, "string"),
    Function("derivePassword", ("uint32", "string", "string", "string", "string"), _derive_password, "string"),
    Function("encryptAES", ("string", "string"), _encrypt_aes, "string"),
    Function("decryptAES", ("string", "string"), _decrypt_aes, "string"),
)
