"""EventSources: what is read, what is refused and where, what is only reported."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.manifest import Parsed, parse
from eventsource.sources.github import GithubSpec
from eventsource.sources.webhook import WebhookSpec
from tiphys.errors import FieldError, ManifestError

HOOK = {"endpoint": "/push", "port": "12000", "method": "POST"}
GITHUB = {"webhook": {"endpoint": "/gh", "port": "12000", "method": "POST"}, "repositories": [{"owner": "acme", "names": ["shop"]}]}


def read(spec: Any, **metadata: Any) -> Parsed:
    return parse({"metadata": {"name": "hooks", "namespace": "argo", **metadata}, "spec": spec})


def refused(spec: Any) -> dict[str, FieldError]:
    with pytest.raises(ManifestError) as error:
        read(spec)
    return {fault.path: fault for fault in error.value.errors}


def test_entries_have_their_key_their_event_and_their_settings() -> None:
    manifest = read({"webhook": {"a": HOOK}, "github": {"b": GITHUB}}, creationTimestamp="2026-01-01T00:00:00Z").manifest
    assert (manifest.namespace, manifest.name, manifest.bus, manifest.created) == (
        "argo",
        "hooks",
        "default",
        "2026-01-01T00:00:00Z",
    )
    assert [(entry.key, entry.event) for entry in manifest.entries] == [("webhook", "a"), ("github", "b")]
    webhook, github = (entry.spec for entry in manifest.entries)
    assert isinstance(webhook, WebhookSpec)
    assert isinstance(github, GithubSpec)
    assert webhook.endpoint == "/push"
    assert github.repositories[0].names == ["shop"]


def test_the_namespace_and_the_bus_have_defaults() -> None:
    manifest = parse({"metadata": {"name": "x"}, "spec": {"eventBusName": "fast"}}, "team").manifest
    assert (manifest.namespace, manifest.bus) == ("team", "fast")


def test_an_empty_spec_is_accepted_and_said_to_be_empty() -> None:
    parsed = read({})
    assert parsed.manifest.entries == ()
    assert "no event source" in parsed.notices[0].text


def test_one_event_name_in_two_types_is_refused() -> None:
    assert "spec.webhook" in refused({"webhook": {"x": HOOK}, "github": {"x": GITHUB}})["spec.github.x"].problem


def test_webhooks_and_calendars_may_be_mixed() -> None:
    entries = read({"webhook": {"x": HOOK}, "calendar": {"y": {"interval": "10s"}}}).manifest.entries
    assert {entry.key for entry in entries} == {"webhook", "calendar"}


def test_a_source_that_argo_events_has_and_we_do_not_yet_is_refused_with_a_hint() -> None:
    fault = refused({"kafka": {"x": {}}, "webhook": {"x": HOOK}})["spec.kafka"]
    assert "not supported yet" in fault.problem
    assert "webhook" in fault.remedy


def test_what_shapes_pods_is_accepted_and_said_to_have_no_effect() -> None:
    parsed = read(
        {
            "template": {"serviceAccountName": "x"},
            "replicas": 2,
            "service": {"ports": []},
            "type": "webhook",
            "webhook": {"x": HOOK},
        }
    )
    assert {notice.path for notice in parsed.notices} >= {"spec.template", "spec.replicas", "spec.service", "spec.type"}
    assert parsed.unknown == ()


def test_a_field_that_nobody_knows_is_reported_with_the_nearest_one() -> None:
    parsed = read({"webhook": {"x": {**HOOK, "endpiont": "/x"}}, "eventBusname": "x", "github": {"y": {**GITHUB, "colour": 1}}})
    assert {(field.path, field.nearest) for field in parsed.unknown} == {
        ("spec.webhook.x.endpiont", "endpoint"),
        ("spec.eventBusname", "eventBusName"),
        ("spec.github.y.colour", ""),
    }


@pytest.mark.parametrize(
    ("key", "settings", "field", "meant"),
    [
        ("github", GITHUB, "wehookSecret", "webhookSecret"),
        ("github", GITHUB, "secret", "webhookSecret"),
        ("webhook", HOOK, "auth", "authSecret"),
        ("webhook", HOOK, "authsecret", "authSecret"),
        ("webhook", HOOK, "hmacSecret", "authSecret"),
        ("webhook", HOOK, "basicAuth", ""),
        ("webhook", HOOK, "signatur", "signature"),
        ("webhook", HOOK, "serverCertSecrets", "serverCertSecret"),
    ],
)
def test_an_unknown_field_that_looks_as_if_it_protects_is_refused(
    key: str, settings: dict[str, Any], field: str, meant: str
) -> None:
    fault = refused({key: {"x": {**settings, field: {"name": "s", "key": "k"}}}})[f"spec.{key}.x.{field}"]
    assert f"did you mean {meant}" in fault.remedy


def test_an_author_is_no_authentication() -> None:
    assert [field.path for field in read({"webhook": {"x": {**HOOK, "author": "emma"}}}).unknown] == ["spec.webhook.x.author"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": 7}, "endpoint"),
        ({"endpoint": "/{a"}, "endpoint"),
        ({"port": ""}, "port"),
        ({"port": 12000}, "port"),
        ({"port": "http"}, "port"),
        ({"port": "0"}, "port"),
        ({"port": "65536"}, "port"),
        ({"port": "9" * 30}, "port"),
        ({"port": "²"}, "port"),
        ({"maxPayloadSize": "1Mi"}, "maxPayloadSize"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"serverCertSecret": {"name": "t", "key": "k"}}, "serverKeySecret"),
        ({"serverKeySecret": {"name": "t", "key": "k"}}, "serverCertSecret"),
        ({"authSecret": {"name": "t"}}, "authSecret.key"),
        ({"filter": {"expression": "body.a = 1"}}, "filter.expression"),
        ({"filter": {}}, "filter.expression"),
        ({"filter": {"expression": 1}}, "filter.expression"),
        ({"dedupe": {"header": ""}}, "dedupe.header"),
        ({"signature": {"scheme": "md5", "secret": {"name": "t", "key": "k"}}}, "signature.scheme"),
    ],
)
def test_a_bad_webhook_is_refused_with_its_path_and_a_remedy(change: dict[str, Any], path: str) -> None:
    fault = refused({"webhook": {"x": {**HOOK, **change}}})[f"spec.webhook.x.{path}"]
    assert fault.problem
    assert fault.remedy


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"webhook": None}, "webhook"),
        ({"webhook": {"endpoint": "/x", "port": "x"}}, "webhook.port"),
        ({"organizations": ["acme"]}, "organizations"),
        ({"repositories": []}, "repositories"),
        ({"contentType": "xml"}, "contentType"),
        ({"githubBaseURL": "https://g"}, "githubUploadURL"),
        ({"githubUploadURL": "https://g"}, "githubBaseURL"),
        ({"webhook": {**HOOK, "url": "http://h"}, "apiToken": {"name": "t", "key": "k"}}, "events"),
        ({"filter": {"expression": "not nil"}}, "filter.expression"),
        ({"id": "1"}, "id"),
    ],
)
def test_a_bad_github_is_refused_with_its_path_and_a_remedy(change: dict[str, Any], path: str) -> None:
    fault = refused({"github": {"x": {**GITHUB, **change}}})[f"spec.github.x.{path}"]
    assert fault.problem
    assert fault.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "o", "repository": "r", "repositories": None},
        {"organizations": ["acme"], "repositories": None},
        {"contentType": "form", "insecure": True, "active": True, "deleteHookOnFinish": True, "id": 1},
        {"githubBaseURL": "https://g/", "githubUploadURL": "https://u/"},
        {"githubApp": {"privateKey": {"name": "a", "key": "k"}, "appID": 1, "installationID": 2}},
    ],
)
def test_a_good_github_is_accepted(change: dict[str, Any]) -> None:
    assert read({"github": {"x": {**GITHUB, **change}}}).unknown == ()


def notices(spec: Any) -> dict[str, str]:
    return {notice.path: notice.text for notice in read(spec).notices}


def test_a_hook_that_would_be_made_switched_off_is_a_notice_and_no_error() -> None:
    settings = {**GITHUB, "webhook": {**HOOK, "url": "http://h"}, "events": ["push"], "apiToken": {"name": "t", "key": "k"}}
    assert "set active: true" in notices({"github": {"x": settings}})["spec.github.x.active"]
    assert "spec.github.x.active" not in notices({"github": {"x": {**settings, "active": True}}})


def test_an_endpoint_without_authentication_is_warned_about() -> None:
    secret = {"name": "t", "key": "k"}
    assert "anybody" in notices({"webhook": {"x": HOOK}})["spec.webhook.x"]
    assert "anybody" in notices({"github": {"x": GITHUB}})["spec.github.x.webhook"]
    assert notices({"webhook": {"x": {**HOOK, "authSecret": secret}}}) == {}
    assert notices({"webhook": {"x": {**HOOK, "signature": {"scheme": "gitea", "secret": secret}}}}) == {}
    assert notices({"github": {"x": {**GITHUB, "webhookSecret": secret}}}) == {}


@pytest.mark.parametrize("method", ["", "post", "PUT"])
def test_a_method_that_nothing_can_pass_is_a_notice(method: str) -> None:
    assert "every request is refused" in notices({"webhook": {"x": {**HOOK, "method": method}}})["spec.webhook.x.method"]


def test_an_endpoint_without_its_slash_is_a_notice() -> None:
    assert "/x" in notices({"webhook": {"x": {**HOOK, "endpoint": "x"}}})["spec.webhook.x.endpoint"]


def test_argo_events_1419_settings_where_a_map_of_events_is_expected_are_refused_with_the_right_form() -> None:
    fault = refused({"calendar": {"schedule": "0 9 1 * *", "timezone": "Europe/Oslo"}})["spec.calendar.schedule"]
    assert "should be a map" in fault.problem
    assert "0 9 1 * *" in fault.shown
    assert "calendar: {example: {schedule: …}}" in fault.remedy
    assert "spec.calendar" in refused({"calendar": [1]})
    assert "spec.webhook.in" in refused({"webhook": {"in": "x"}})
    assert set(refused({"webhook": {"in": {"endpoint": 7, "port": 12000, "method": "POST"}}})) == {
        "spec.webhook.in.endpoint",
        "spec.webhook.in.port",
    }


def test_every_fault_is_named_at_once() -> None:
    assert set(refused({"webhook": {"a": {**HOOK, "port": "x"}, "b": {**HOOK, "endpoint": ""}}, "nats": {}})) == {
        "spec.webhook.a.port",
        "spec.webhook.b.endpoint",
        "spec.nats",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(["metadata", "spec", "webhook", "github", "x", "endpoint", "port", "repositories", "name", "authSecret"])


@given(st.recursive(JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=20))
def test_any_object_is_read_or_refused(manifest: Any) -> None:
    if not isinstance(manifest, dict):
        return
    try:
        parse(manifest)
    except ManifestError as error:
        assert error.errors  # noqa: PT017  either way is right
