"""The table of signature schemes, over the bytes of real deliveries."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.ingress.signatures import SCHEMES, Unverified, sign, verify

NOW = 1_780_000_000.0
BITBUCKET = (
    b'{"eventKey":"repo:refs_changed","repository":{"slug":"shop","project":{"key":"ACME"}},"changes":[{"refId":"refs/heads/main",'
    b'"toHash":"9f1c2d","fromHash":"1a2b3c","type":"UPDATE","ref":{"id":"refs/heads/main","displayId":"main","type":"BRANCH"}}]}'
)
EMOJI = '{"head_commit": {"message": "ship it 🚀 grüße"}, "ref": "refs/heads/main"}'.encode()
EMOJI_SIGNED = "sha256=e0b626ee655d0c072fdfdb8ebe10cd6e9e10bc60fa402295b439c534b09f6e9d"


def passes(scheme: str, secret: bytes, headers: Mapping[str, Sequence[str]], body: bytes, now: float = NOW) -> bool:
    try:
        verify(SCHEMES[scheme], secret, headers, body, now)
    except Unverified:
        return False
    return True


def signed(secret: bytes, body: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret, body, algorithm).hexdigest()


def test_github_docs_3567_a_signature_covers_the_raw_bytes_emoji_and_all() -> None:
    assert passes("github", b"s3cr3t", {"X-Hub-Signature-256": [EMOJI_SIGNED]}, EMOJI)
    assert not passes("github", b"s3cr3t", {"X-Hub-Signature-256": [EMOJI_SIGNED[:-1] + "e"]}, EMOJI)


def test_argo_events_1710_bitbucket_server_is_checked_wherever_a_secret_is_configured() -> None:
    right = "sha256=21ae1685b40e02a50758e0e5280550ddd12d5688d0744ee6c8cd4f6da0d72db5"
    other = "sha256=b3abdfd90797f154ac1a163d758c11cab3e44cc039e32a08b40a82e8e4843fe9"
    accepted = [
        value for value in (right, other, "") if passes("bitbucketserver", b"s3cr3t", {"X-Hub-Signature": [value]}, BITBUCKET)
    ]
    assert accepted == ["sha256=" + signed(b"s3cr3t", BITBUCKET)]
    assert accepted[0] in (right, other)
    assert not passes("bitbucketserver", b"s3cr3t", {}, BITBUCKET)
    assert not passes("bitbucketserver", b"", {"X-Hub-Signature": ["sha256=" + signed(b"", BITBUCKET)]}, BITBUCKET)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_empty_secret_refuses_even_what_was_signed_with_it(scheme: str) -> None:
    headers = {
        name: [prefix + signed(b"", b"{}")] for name in SCHEMES[scheme].headers for prefix in SCHEMES[scheme].algorithms or [""]
    }
    assert not passes(scheme, b"", headers, b"{}")


def test_github_falls_back_to_the_older_header_only_where_the_newer_is_absent() -> None:
    sha1 = "sha1=" + signed(b"s", b"{}", "sha1")
    assert passes("github", b"s", {"X-Hub-Signature": [sha1]}, b"{}")
    assert passes("github", b"s", {"X-Hub-Signature": ["sha1=00"], "X-Hub-Signature-256": ["sha256=" + signed(b"s", b"{}")]}, b"{}")
    assert not passes("github", b"s", {"X-Hub-Signature": [sha1], "X-Hub-Signature-256": ["sha256=00"]}, b"{}")


@pytest.mark.parametrize("value", ["", "abc", "sha256=zz", "md5=00", "sha256=", "SHA256=" + signed(b"s", b"{}"), "sha256=é"])
def test_what_is_no_signature_is_refused(value: str) -> None:
    assert not passes("github", b"s", {"X-Hub-Signature-256": [value]}, b"{}")


def test_a_refusal_does_not_tell_the_expected_value() -> None:
    with pytest.raises(Unverified) as refused:
        verify(SCHEMES["github"], b"s3cr3t", {"X-Hub-Signature-256": ["sha256=" + "0" * 64]}, EMOJI, NOW)
    assert EMOJI_SIGNED[7:] not in refused.value.problem
    assert "s3cr3t" not in refused.value.problem
    assert "signature does not match" in refused.value.problem


def test_gitea_and_forgejo_sign_without_a_prefix() -> None:
    assert passes("gitea", b"s", {"X-Gitea-Signature": [signed(b"s", b"{}")]}, b"{}")
    assert passes("gitea", b"s", {"X-Forgejo-Signature": [signed(b"s", b"{}")]}, b"{}")
    assert not passes("gitea", b"s", {"X-Gitea-Signature": [signed(b"t", b"{}")]}, b"{}")


def test_gitlab_shows_the_token_itself() -> None:
    assert passes("gitlab", "ü".encode(), {"X-Gitlab-Token": ["ü"]}, b"{}")
    assert not passes("gitlab", b"token", {"X-Gitlab-Token": ["toke"]}, b"{}")


def test_slack_signs_the_time_along_and_it_must_be_the_present() -> None:
    stamp = str(int(NOW))
    headers = {
        "X-Slack-Request-Timestamp": [stamp],
        "X-Slack-Signature": ["v0=" + signed(b"s", b"v0:" + stamp.encode() + b":a=1")],
    }
    assert passes("slack", b"s", headers, b"a=1")
    assert passes("slack", b"s", headers, b"a=1", NOW + 299)
    assert not passes("slack", b"s", headers, b"a=1", NOW + 302)
    assert not passes("slack", b"s", headers, b"a=1", NOW - 302)
    assert not passes("slack", b"s", headers, b"a=2")
    assert not passes("slack", b"s", {**headers, "X-Slack-Request-Timestamp": ["soon"]}, b"a=1")
    assert SCHEMES["slack"].status == 401


@given(secret=st.binary(min_size=1), body=st.binary(), algorithm=st.sampled_from(["sha1", "sha256", "sha512"]))
def test_what_was_signed_passes_and_one_changed_byte_does_not(secret: bytes, body: bytes, algorithm: str) -> None:
    headers = {"X-Hub-Signature-256": [f"{algorithm}={signed(secret, body, algorithm)}"]}
    assert passes("github", secret, headers, body)
    assert not passes("github", secret, headers, body + b"\0")
    assert not passes("github", secret + b"x", headers, body)


@given(value=st.text(max_size=100), scheme=st.sampled_from(sorted(SCHEMES)))
def test_no_text_in_the_header_breaks_a_check(value: str, scheme: str) -> None:
    headers = {name: [value] for name in (*SCHEMES[scheme].headers, SCHEMES[scheme].timestamp)}
    assert not passes(scheme, hashlib.sha256(b"a secret nobody guesses").digest(), headers, b"{}")


@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_sender_signs_by_a_scheme_is_let_through_by_it(name: str) -> None:
    # given
    scheme, body = SCHEMES[name], b'{"a": "\xf0\x9f\x9a\x80"}'
    # when
    headers = {header: [value] for header, value in sign(scheme, b"s3cret", body, 1_700_000_000.0).items()}
    # then
    verify(scheme, b"s3cret", headers, body, 1_700_000_001.0)
    with pytest.raises(Unverified):
        verify(scheme, b"other", headers, body, 1_700_000_001.0)
