"""Tokens of a GitHub App: the JWT as another library reads it, and when a token is used again."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from tests.clients.http_target import HttpTarget, http_target
from tiphys.clients.github import GithubApp, installation_token
from tiphys.clients.http import HttpClient, open_http
from tiphys.errors import ClientError, OutcomeUnknown, Refused

KEY = rsa.generate_private_key(65537, 2048)
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC).timestamp()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY) -> bytes:
    # as GitHub gives it
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture
async def github() -> AsyncIterator[HttpTarget]:
    async with http_target() as target:
        target.body = json.dumps({"token": "ghs_1", "expires_at": "2026-11-25T11:00:00Z", "message": "No luck"}).encode()
        target.answers = [(201, {})] * 5
        yield target


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with open_http() as client:
        yield client


def app(github: HttpTarget, key: bytes = b"") -> GithubApp:
    return GithubApp(12345, 67890, key or pem(), github.url)


def unpack(text: str) -> dict[str, object]:
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


async def test_a_token_is_got_with_a_jwt_that_the_key_signed(github: HttpTarget, http: HttpClient) -> None:
    assert await installation_token(app(github), http, lambda: NOW) == "ghs_1"

    (asked,) = github.requests
    assert (asked.method, asked.path) == ("POST", "/app/installations/67890/access_tokens")
    head, claims, signature = (asked.header("authorization") or "").removeprefix("Bearer ").split(".")
    assert unpack(head) == {"alg": "RS256", "typ": "JWT"}
    assert unpack(claims) == {"iss": "12345", "iat": int(NOW) - 60, "exp": int(NOW) + 540}
    signed = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    KEY.public_key().verify(signed, f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


async def test_a_token_is_used_until_five_minutes_before_its_end(github: HttpTarget, http: HttpClient) -> None:
    for minutes in (0, 54, 56, 57):
        await installation_token(app(github), http, lambda: NOW + minutes * 60)  # noqa: B023  it is called at once

    assert len(github.requests) == 3  # GitHub here gives the same end each time, so that the last two are too near to it


async def test_what_github_refuses_is_told_in_its_words(github: HttpTarget, http: HttpClient) -> None:
    github.answers = [(401, {})]

    with pytest.raises(Refused, match=r"401 GithubApp: No luck") as refused:
        await installation_token(app(github), http, lambda: NOW)

    assert refused.value.status == 401


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"token": "t"}', b'{"token": "t", "expires_at": "soon"}'])
async def test_what_is_no_answer_of_github_is_no_token(github: HttpTarget, http: HttpClient, body: bytes) -> None:
    github.body = body

    with pytest.raises(OutcomeUnknown, match="no answer of GitHub"):
        await installation_token(app(github), http, lambda: NOW)


@pytest.mark.parametrize("key", [b"no key", pem(ec.generate_private_key(ec.SECP256R1()))])
async def test_a_key_that_cannot_sign_is_told_and_not_shown(github: HttpTarget, http: HttpClient, key: bytes) -> None:
    with pytest.raises(ClientError, match=r"no (RSA )?key") as refused:
        await installation_token(app(github, key), http)

    assert github.requests == []
    assert "BEGIN" not in str(refused.value) + repr(app(github, key))
