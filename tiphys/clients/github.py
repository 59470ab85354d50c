"""GitHub Apps: a token for one installation, got with the App's private key.

The key signs a JWT that lives ten minutes (RS256; docs.github.com, "Generating a JSON Web Token for a GitHub App"); it is traded for an
installation token, which lives an hour and is used until five minutes before its end. Signing needs `cryptography`, which is an extra.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from tiphys.clients.http import HttpClient, HttpRequest, destination, flaw_in_url
from tiphys.errors import ClientError, OutcomeUnknown, Refused

__all__ = ["API", "GithubApp", "installation_token"]

API: Final = "https://api.github.com"
_LIFE: Final = 540
_CLOCKS_APART: Final = 60
_MARGIN: Final = 300.0
_MOST: Final = 256
_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class GithubApp:
    """An App's number, the number of its installation, and its private key in PEM. `api` is where GitHub's API is."""

    app: int
    installation: int
    private_key: bytes = field(repr=False)
    api: str = API

    @property
    def digest(self) -> str:
        """Tells this App from others, and does not tell its key."""
        return hashlib.sha256(repr((self.app, self.installation, self.private_key, self.api)).encode()).hexdigest()


class _Token(NamedTuple):
    token: str
    expires: float


_tokens: OrderedDict[str, _Token] = OrderedDict()


async def installation_token(app: GithubApp, http: HttpClient, now: Callable[[], float] = time.time) -> str:
    """A token of the installation that is good for five minutes at least.

    Raises `Unreachable`, `Refused` (with GitHub's words), and `ClientError` for a key that is none or a package that is missing.
    """
    kept = _tokens.get(app.digest)
    if kept is not None and kept.expires - _MARGIN > now():
        return kept.token
    url = f"{app.api.rstrip('/')}/app/installations/{app.installation}/access_tokens"
    if flaw := flaw_in_url(url):
        raise ClientError("GitHub App", f"the address of the API {flaw}")
    signed = await asyncio.to_thread(_signed, app, int(now()))
    headers = (
        ("Authorization", f"Bearer {signed}"),
        ("Accept", "application/vnd.github+json"),
        ("X-GitHub-Api-Version", "2022-11-28"),
    )
    answer = await http.send(HttpRequest("POST", url, headers, timeout=_SECONDS))
    target = destination("POST", url)
    try:
        said: Mapping[str, Any] = orjson.loads(answer.body)
        made = answer.status == 201 and _Token(said["token"], datetime.fromisoformat(said["expires_at"]).timestamp())
        words = str(said.get("message", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutcomeUnknown(target, f"answered {answer.status} with what is no answer of GitHub") from error
    if not made:
        raise Refused(target, answer.status, "GithubApp", words or "gave no token", answer.retry_after)
    _tokens[app.digest] = made
    while len(_tokens) > _MOST:
        _tokens.popitem(last=False)
    return made.token


def _signed(app: GithubApp, now: int) -> str:
    """The JWT."""
    try:
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  an extra
        from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ClientError("GitHub App", "signing needs a package that is not installed; pip install 'tiphys[crypto]'") from error
    try:
        key = serialization.load_pem_private_key(app.private_key, None)
    except (ValueError, TypeError) as error:
        raise ClientError("GitHub App", "the private key is no key in PEM, or has a password") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ClientError("GitHub App", "the private key is no RSA key, which is what GitHub gives")
    claims = {"iat": now - _CLOCKS_APART, "exp": now + _LIFE, "iss": str(app.app)}
    text = b".".join(_base64(orjson.dumps(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return b".".join((text, _base64(key.sign(text, padding.PKCS1v15(), hashes.SHA256())))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
