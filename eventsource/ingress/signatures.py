"""How forges sign what they send: one table, one code path.

A signature is checked in constant time over the raw body, before anything is parsed. Whoever holds no secret cannot be let in: an empty
secret refuses, as does one that is missing. What a refusal says never depends on the expected value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["SCHEMES", "Headers", "Scheme", "Unverified", "first", "sign", "verify"]

Headers = Mapping[str, Sequence[str]]
"""Values by canonical name."""

_REPLAY_WINDOW: Final = 300.0


class Unverified(Exception):  # noqa: N818  a refusal is named for what it is
    """The request is not from who holds the secret. `problem` may be told to the sender."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Scheme:
    """A row of the table.

    `headers`: where the signature stands, the first that is present and not empty. `algorithms`: what it begins with → the hash of the
    HMAC; the empty prefix for none; no algorithms at all: the header is the secret itself. `encoding` is `hex` or `base64`.
    `timestamp` names a header with Unix seconds that is signed along as `{signed}{timestamp}:{body}` and must be within five minutes.
    `status` is the answer to a request that does not pass.
    """

    headers: tuple[str, ...]
    algorithms: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "hex"
    timestamp: str = ""
    signed: str = ""
    status: int = 400


_PIECE: Final = 2047
_AT_ONCE: Final = 64 * 1024

SCHEMES: Final[Mapping[str, Scheme]] = {
    # https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries; the algorithm goes by the prefix, whichever header
    "github": Scheme(("X-Hub-Signature-256", "X-Hub-Signature"), {"sha256=": "sha256", "sha1=": "sha1", "sha512=": "sha512"}),
    # https://docs.gitea.com/usage/repository/webhooks; Forgejo sends the same
    "gitea": Scheme(("X-Gitea-Signature", "X-Forgejo-Signature", "X-Gogs-Signature"), {"": "sha256"}),
    # https://docs.gitlab.com/user/project/integrations/webhooks: the token itself
    "gitlab": Scheme(("X-Gitlab-Token",)),
    # https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
    "bitbucketserver": Scheme(("X-Hub-Signature",), {"sha256=": "sha256"}),
    # https://api.slack.com/authentication/verifying-requests-from-slack
    "slack": Scheme(("X-Slack-Signature",), {"v0=": "sha256"}, timestamp="X-Slack-Request-Timestamp", signed="v0:", status=401),
}


def first(headers: Headers, name: str) -> str:
    """The first value of a header, empty if there is none."""
    values = headers.get(name)
    return values[0] if values else ""


def verify(scheme: Scheme, secret: bytes, headers: Headers, body: bytes, now: float) -> None:
    """Return if the request was signed with `secret`; `now` is Unix seconds. Raises `Unverified`."""
    if not secret:
        raise Unverified("the signature cannot be checked: this endpoint has no secret")
    sent = ""
    for name in scheme.headers:
        if sent := first(headers, name):
            break
    else:
        raise Unverified("missing signature")
    if not scheme.algorithms:
        if not hmac.compare_digest(sent.encode(), secret):
            raise Unverified("the token does not match")
        return
    for prefix in scheme.algorithms:
        if sent.startswith(prefix):
            break
    else:
        raise Unverified(f"the signature is of an unknown kind; it must begin with {' or '.join(scheme.algorithms)}")
    digest = _decode(sent[len(prefix) :], scheme.encoding)
    mac = hmac.new(secret, digestmod=scheme.algorithms[prefix])
    if scheme.timestamp:
        mac.update(_signed_time(scheme, headers, now))
    _feed(mac, body)
    if not hmac.compare_digest(digest, mac.digest()):
        raise Unverified("payload signature check failed: the signature does not match")


def sign(scheme: Scheme, secret: bytes, body: bytes, now: float) -> dict[str, str]:
    """The headers by which a sender who holds `secret` signs, in the newest of the scheme's ways: what `verify` lets through."""
    header = scheme.headers[0]
    if not scheme.algorithms:
        return {header: secret.decode("utf-8", "surrogateescape")}
    prefix, algorithm = next(iter(scheme.algorithms.items()))
    mac = hmac.new(secret, digestmod=algorithm)
    stamped = {}
    if scheme.timestamp:
        stamped = {scheme.timestamp: [str(int(now))]}
        mac.update(_signed_time(scheme, stamped, now))
    mac.update(body)
    digest = mac.hexdigest() if scheme.encoding == "hex" else base64.b64encode(mac.digest()).decode()
    return {name: values[0] for name, values in stamped.items()} | {header: f"{prefix}{digest}"}


def _feed(mac: hmac.HMAC, body: bytes) -> None:
    """Hash a body. A small one in pieces below the size from which `hashlib` gives up the interpreter's lock: getting it back from the
    store's writer takes many times as long as the hashing. A large one at once, so that others can run meanwhile."""
    if len(body) > _AT_ONCE:
        mac.update(body)
        return
    view = memoryview(body)
    for start in range(0, len(body), _PIECE):
        mac.update(view[start : start + _PIECE])


def _decode(text: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Unverified(f"the signature is no {encoding} text") from error


def _signed_time(scheme: Scheme, headers: Headers, now: float) -> bytes:
    stamp = first(headers, scheme.timestamp)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise Unverified(f"missing {scheme.timestamp}")
    if abs(now - int(stamp)) > _REPLAY_WINDOW:
        raise Unverified(f"{scheme.timestamp} is more than five minutes off")
    return f"{scheme.signed}{stamp}:".encode()


assert all(name in hashlib.algorithms_guaranteed for scheme in SCHEMES.values() for name in scheme.algorithms.values())  # noqa: S101  a misspelt row fails at import
