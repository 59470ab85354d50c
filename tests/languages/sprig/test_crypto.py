"""AES, keys and certificates: what Go's side can read, and what is refused."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tiphys.languages import gotemplate
from tiphys.languages.golang.values import GoError
from tiphys.languages.sprig import FUNCTIONS, REASONS
from tiphys.languages.sprig.certificates import Certificate


def call(name: str, *arguments: Any) -> Any:
    return FUNCTIONS[name].call(*arguments)


@pytest.fixture(scope="module")
def rsa_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain).decode()


def test_what_go_encrypted_is_read() -> None:
    # Made with sprig 3.3.0: encryptAES "secretkey" "plaintext"
    assert call("decryptAES", "secretkey", "GrxBI3Bm/iIxlhZvrR7RdpRMZ6F4RA5F1oATwycuGn0=") == "plaintext"


@pytest.mark.parametrize("text", ["", "a", "x" * 16, "héllo wörld", "l1\nl2"])
def test_what_is_encrypted_can_be_decrypted(text: str) -> None:
    hidden = call("encryptAES", "key", text)
    assert call("decryptAES", "key", hidden) == text
    assert not text or hidden != call("encryptAES", "key", text)


@pytest.mark.parametrize("text", ["!", "YQ==", base64.b64encode(b"x" * 16).decode(), base64.b64encode(b"x" * 33).decode()])
def test_what_was_never_encrypted_is_an_error(text: str) -> None:
    with pytest.raises(GoError):
        call("decryptAES", "key", text)


def test_keys_that_are_made_in_no_time_are_made() -> None:
    curve = serialization.load_pem_private_key(call("genPrivateKey", "ecdsa").encode(), None)
    edwards = serialization.load_pem_private_key(call("genPrivateKey", "ed25519").encode(), None)
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert curve.curve.name == "secp256r1"
    assert isinstance(edwards, ed25519.Ed25519PrivateKey)
    assert call("genPrivateKey", "ecdsa").startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert call("genPrivateKey", "ed25519").startswith("-----BEGIN PRIVATE KEY-----\n")
    assert call("genPrivateKey", "none") == "Unknown type none"


@pytest.mark.parametrize("kind", ["", "rsa", "dsa"])
def test_keys_that_take_seconds_are_not_made(kind: str) -> None:
    with pytest.raises(GoError, match="seconds of processor time"):
        call("genPrivateKey", kind)


@pytest.mark.parametrize("name", ["bcrypt", "htpasswd", "genCA", "genSelfSignedCert", "genSignedCert"])
def test_what_is_slow_on_purpose_or_by_chance_is_refused_with_a_reason(name: str) -> None:
    assert REASONS[name]


def test_a_certificate_says_what_sprig_says_and_is_signed_by_its_authority(rsa_key: str) -> None:
    authority = call("genCAWithKey", "Example CA", 365, rsa_key)
    key = call("genPrivateKey", "ecdsa")
    leaf = call("genSignedCertWithKey", "web", ["10.0.0.1", "::1"], ["web.example"], 7, authority, key)

    root, certificate = (x509.load_pem_x509_certificate(each.cert.encode()) for each in (authority, leaf))
    certificate.verify_directly_issued_by(root)
    assert leaf.key == key
    assert certificate.subject.rfc4514_string() == "CN=web"
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 7
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, True, False)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_certificate_may_sign_itself(rsa_key: str) -> None:
    made = call("genSelfSignedCertWithKey", "me", [], ["me.example"], 1, rsa_key)
    certificate = x509.load_pem_x509_certificate(made.cert.encode())
    certificate.verify_directly_issued_by(certificate)
    assert call("buildCustomCert", *(base64.b64encode(part.encode()).decode() for part in (made.cert, made.key))) == made


def test_an_authority_whose_key_is_another_is_refused(rsa_key: str) -> None:
    authority = call("genCAWithKey", "CA", 1, rsa_key)
    other = call("genPrivateKey", "ecdsa")
    with pytest.raises(GoError, match="doesn't match"):
        call("genSignedCertWithKey", "web", [], [], 1, Certificate(authority.cert, other), other)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("genCAWithKey", ("x", 1, "no key")),
        ("genCAWithKey", ("x" * 65, 1, "ecdsa")),
        ("genCAWithKey", ("x", 10**9, "ecdsa")),
        ("genSelfSignedCertWithKey", ("x", ["no address"], [], 1, "ecdsa")),
        ("genSelfSignedCertWithKey", ("x", [1.0], [], 1, "ecdsa")),
        ("genSelfSignedCertWithKey", ("x", [], [None], 1, "ecdsa")),
        ("buildCustomCert", ("!", "!")),
        ("buildCustomCert", ("YQ==", "YQ==")),
    ],
)
def test_what_makes_no_certificate_is_an_error(name: str, arguments: tuple[Any, ...]) -> None:
    key = call("genPrivateKey", "ecdsa")
    with pytest.raises(GoError):
        call(name, *(key if argument == "ecdsa" else argument for argument in arguments))


def test_a_template_reads_the_parts_of_a_certificate() -> None:
    made = '{{ $k := genPrivateKey "ed25519" }}{{ $c := genCAWithKey "ca" 1 $k }}'
    assert (
        gotemplate.compile(made + "{{ typeOf $c }} {{ eq $c.Key $k }} {{ $c.Cert | trunc 10 }}").render({})
        == "sprig.certificate true -----BEGIN"
    )


def test_without_the_package_an_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from tiphys.languages.sprig import FUNCTIONS\n"
        "for name, arguments in (('encryptAES', ('k', 't')), ('genPrivateKey', ('ecdsa',)), ('genCAWithKey', ('a', 1, 'k'))):\n"
        "    try: FUNCTIONS[name].call(*arguments)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "print(FUNCTIONS['sha256sum'].call('')[:8])\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    names = ("encryptAES", "genPrivateKey", "genCAWithKey")
    expected = [f"GoError {name} needs the package cryptography: pip install tiphys[crypto]" for name in names]
    assert found.stdout.splitlines() == [*expected, "e3b0c442"]
