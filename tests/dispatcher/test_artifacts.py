"""Where objects come from: what is refused when a manifest loads, what is read when it fires, and what failing means."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dispatcher.manifest import check, notices, trigger_model
from dispatcher.program import render
from tests.clients.http_target import HttpTarget, http_target
from tests.clients.test_http import serving
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program, until
from tests.dispatcher.test_http import Kept
from tests.eventsource.minio_recordings import Store
from tests.eventsource.repositories import Repository, Server
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.clients import files, git
from tiphys.clients.http import HttpSettings, open_http
from tiphys.clients.kube import Kube
from tiphys.clients.targets import Targets
from tiphys.errors import SecretError, TriggerError

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\ndata: {commit: none}\n"
SECRETS = {
    "s3/access": b" tiphys\n",
    "s3/secret": b"tiphys-secret\n",
    "git/user": b"ada\n",
    "git/password": b"t0ps3cret\n",
    "maps/object": OBJECT.encode(),
    "maps/binary": b"\xff\xfe\xfa",
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_http() as client:
        yield World(http=client, secrets=Kept(SECRETS))


@pytest.fixture(autouse=True)
def clients(tmp_path: Path) -> Iterator[None]:
    made = git.Git(tmp_path / "cache")
    git.use(made)
    files.use([tmp_path / "config"])
    yield
    files.use([])
    made.close()


def entry(source: Mapping[str, Any], **beside: Any) -> dict[str, Any]:
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.after"}, "dest": "data.commit"}
    k8s = {"source": dict(source), "parameters": [parameter]}
    return {"template": {"name": "build", "k8s": k8s}} | beside


def faults(source: Mapping[str, Any]) -> list[str]:
    found = check(trigger_model().model_validate(entry(source)), frozenset({"dep"}))
    return [str(fault).removeprefix("template.k8s.source.") for fault in found]


def said(source: Mapping[str, Any]) -> list[str]:
    return [f"{one.path}: {one.text}" for one in notices(trigger_model().model_validate(entry(source)))]


async def made(source: Mapping[str, Any], world: World) -> Any:
    """The object that would be made."""
    return (await render(program(entry(source), world), {"dep": event()}, firing())).preview


async def failing(source: Mapping[str, Any], world: World) -> TriggerError:
    with pytest.raises(TriggerError) as refused:
        await made(source, world)
    return refused.value


# -- url


@pytest.fixture
async def target() -> AsyncIterator[HttpTarget]:
    async with http_target() as served:
        served.body = OBJECT.encode()
        yield served


async def test_an_object_is_read_from_a_url_and_redirects_are_followed(world: World, target: HttpTarget) -> None:
    target.answers = [(302, {"Location": "/there.yaml"})]

    obj = await made({"url": {"path": f"{target.url}/here.yaml"}}, world)

    assert obj["data"] == {"commit": "9f1c2d"}
    assert [one.path for one in target.requests] == ["/here.yaml", "/there.yaml"]


async def test_certificates_are_verified_unless_the_manifest_says_otherwise(world: World) -> None:
    async with http_target(serving(trustme.CA())) as target:
        target.body = OBJECT.encode()
        url = {"path": f"{target.url}/a"}

        error = await failing({"url": url}, world)
        assert (error.reason, error.transient) == ("SourceUnavailable", True)
        assert "certificate" in str(error)
        assert (await failing({"url": url | {"verifyCert": True}}, world)).reason == "SourceUnavailable"
        assert (await made({"url": url | {"verifyCert": False}}, world))["kind"] == "ConfigMap"


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [(204, "SourceRefused", True), (404, "SourceNotFound", True), (403, "SourceRefused", True), (503, "SourceUnavailable", True)],
)
async def test_an_answer_without_the_object_is_an_error_that_says_so(
    world: World, target: HttpTarget, status: int, reason: str, transient: bool
) -> None:
    target.answers = [(status, {})]

    error = await failing({"url": {"path": f"{target.url}/secret-path"}}, world)

    assert (error.reason, error.transient) == (reason, transient)
    assert "secret-path" not in str(error)


async def test_an_answer_over_the_limit_is_refused_and_not_cut(world: World, target: HttpTarget) -> None:
    target.body = OBJECT.encode() + b"# " + b"x" * 600_000
    assert (await made({"url": {"path": f"{target.url}/a"}}, world))["kind"] == "ConfigMap"

    target.body += b"x" * 1_000_000
    error = await failing({"url": {"path": f"{target.url}/a"}}, world)

    assert (error.reason, error.transient) == ("SourceRefused", False)
    assert "larger than 1,572,864 bytes" in str(error)


async def test_a_url_leads_only_where_the_settings_allow(target: HttpTarget) -> None:
    async with open_http(HttpSettings(targets=Targets(public_only=True))) as client:
        error = await failing({"url": {"path": f"{target.url}/a"}}, World(http=client))

    assert "not allowed by this service's settings" in str(error)
    assert (error.reason, error.transient) == ("SourceRefused", False)
    assert target.requests == []


async def test_a_redirect_leads_only_where_the_settings_allow(target: HttpTarget) -> None:
    target.answers = [(302, {"Location": "http://169.254.169.254/latest/meta-data"})]

    async with open_http(HttpSettings(targets=Targets(public_only=True, allowed=["127.0.0.0/8"]))) as client:
        error = await failing({"url": {"path": f"{target.url}/a"}}, World(http=client))

    assert (error.reason, error.transient) == ("SourceRefused", False)
    assert len(target.requests) == 1


async def test_what_is_no_object_heals_when_it_is_corrected(world: World, target: HttpTarget) -> None:
    target.body = b"a: [b"

    error = await failing({"url": {"path": f"{target.url}/a"}}, world)

    assert (error.reason, error.transient) == ("InvalidObject", True)
    assert "line 1" in str(error)


@pytest.mark.parametrize("path", ["", "ftp://host/x", "file:///etc/passwd", "host/x", "https://host/%zz"])
def test_what_is_no_url_is_refused_at_load(path: str) -> None:
    (fault,) = faults({"url": {"path": path}})

    assert fault.startswith("url.path: ")


def test_a_way_on_which_the_object_can_be_replaced_is_said() -> None:
    assert any("not encrypted" in one for one in said({"url": {"path": "http://host/x"}}))
    assert any("verifyCert: is false" in one for one in said({"url": {"path": "https://host/x", "verifyCert": False}}))
    assert said({"url": {"path": "https://host/x"}}) == []


# -- file


async def test_a_file_of_a_folder_of_the_settings_is_read(world: World, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yaml").write_text(OBJECT)
    (tmp_path / "other.yaml").write_text(OBJECT)

    assert (await made({"file": {"path": f"{tmp_path}/config/a.yaml"}}, world))["kind"] == "ConfigMap"
    error = await failing({"file": {"path": f"{tmp_path}/other.yaml"}}, world)
    assert (error.reason, error.transient) == ("SourceRefused", False)
    assert (await failing({"file": {"path": f"{tmp_path}/config/b.yaml"}}, world)).transient


def test_a_file_has_an_absolute_path() -> None:
    (fault,) = faults({"file": {"path": "workflow.yaml"}})

    assert fault.startswith("file.path: must be the absolute path")


# -- configmap


async def test_an_object_in_a_config_map_is_read(world: World) -> None:
    assert (await made({"configmap": {"name": "maps", "key": "object"}}, world))["kind"] == "ConfigMap"
    assert (await failing({"configmap": {"name": "maps", "key": "binary"}}, world)).transient
    with pytest.raises(SecretError):
        await made({"configmap": {"name": "maps", "key": "nope"}}, world)


# -- s3


def s3(store: Store, **more: Any) -> dict[str, Any]:
    keys = {"accessKey": {"name": "s3", "key": "access"}, "secretKey": {"name": "s3", "key": "secret"}}
    bucket = {"name": "uploads", "key": "ci/build.yaml"}
    return {"s3": {"endpoint": store.endpoint, "bucket": bucket, "insecure": True} | keys | more}


async def test_an_object_is_read_from_a_bucket_with_keys_from_secrets(world: World) -> None:
    async with Store().serving() as store:
        store.put("ci/build.yaml", OBJECT.encode())
        store.region = "eu-7"

        assert (await made(s3(store), world))["data"] == {"commit": "9f1c2d"}
        assert (await made(s3(store, region="eu-7"), world))["data"] == {"commit": "9f1c2d"}


async def test_what_the_store_says_is_told(world: World) -> None:
    async with Store().serving() as store:
        error = await failing(s3(store), world)
        assert (error.reason, error.transient) == ("SourceNotFound", True)
        assert "The specified key does not exist" in str(error)
        store.secret = "changed"
        assert (await failing(s3(store), world)).transient
    assert (await failing(s3(store), world)).reason == "SourceUnavailable"


def test_what_a_bucket_needs_is_asked_for_at_load() -> None:
    found = faults({"s3": {"endpoint": "http://minio:9000", "bucket": {"name": "a"}}})

    assert [one.partition(":")[0] for one in found] == ["s3.endpoint", "s3.bucket.key", "s3.accessKey", "s3.secretKey"]


# -- git


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    def make() -> Repository:
        repository = Repository(tmp_path / "remote")
        repository.commit("first", "ci/build.yaml", OBJECT)
        repository.push()
        return repository

    repository = await asyncio.to_thread(make)
    async with Server(repository.bare.parent).serving() as serving:
        yield serving


def from_git(url: str = "https://host/shop.git", **more: Any) -> dict[str, Any]:
    return {"git": {"url": url, "filePath": "ci/build.yaml", "branch": "main", "cloneDirectory": "/git/shop"} | more}


async def test_an_object_is_read_from_a_repository(world: World, server: Server) -> None:
    assert (await made(from_git(f"{server.url}/shop.git"), world))["data"] == {"commit": "9f1c2d"}


async def test_a_private_repository_is_read_with_credentials_from_secrets(world: World, server: Server) -> None:
    server.user, server.password = "ada", "t0ps3cret"
    creds = {"username": {"name": "git", "key": "user"}, "password": {"name": "git", "key": "password"}}

    assert (await made(from_git(f"{server.url}/shop.git", creds=creds), world))["kind"] == "ConfigMap"
    error = await failing(from_git(f"{server.url}/shop.git"), world)
    assert (error.reason, error.transient) == ("SourceRefused", True)


async def test_a_github_app_reads_with_a_token_of_its_installation(world: World, server: Server) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    server.user, server.password = "x-access-token", "ghs_1"
    app: dict[str, Any] = {"privateKey": {"name": "app", "key": "pem"}, "appID": 1, "installationID": 2}
    async with http_target() as github:
        github.body = json.dumps({"token": "ghs_1", "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}).encode()
        github.answers = [(201, {})] * 3
        app["apiURL"] = github.url
        world.secrets = Kept({"app/pem": pem})

        for _ in range(2):
            assert (await made(from_git(f"{server.url}/shop.git", githubApp=app), world))["kind"] == "ConfigMap"

        assert len(github.requests) == 1


async def test_the_first_address_of_a_remote_is_read_instead(world: World, server: Server) -> None:
    remote = {"name": "fork", "urls": [f"{server.url}/shop.git", "https://other/x.git"]}

    assert (await made(from_git("https://host.invalid/shop.git", remote=remote), world))["kind"] == "ConfigMap"


async def test_a_push_that_fires_has_its_file_read_as_it_is_after_the_push(world: World, server: Server, tmp_path: Path) -> None:
    source = from_git(f"{server.url}/shop.git")
    assert "note" not in await made(source, world)

    def change() -> None:
        tree = tmp_path / "remote" / "work"
        repository = Repository.__new__(Repository)
        repository.tree = tree
        repository.commit("second", "ci/build.yaml", OBJECT + "note: new\n")
        repository.push()

    await asyncio.to_thread(change)

    assert (await made(source, world))["note"] == "new"


async def test_with_a_ttl_a_file_may_be_as_old_as_that(world: World, server: Server) -> None:
    source = from_git(f"{server.url}/shop.git", ttl="1h")
    await made(source, world)
    asked = len(server.requests)

    await made(source, world)

    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("git_source", "path"),
    [
        ({"url": ""}, "git.url"),
        ({"url": "ext::sh -c id"}, "git.url"),
        ({"url": "--upload-pack=id"}, "git.url"),
        ({"url": "https://user:word@host/x"}, "git.url"),
        ({"remote": {"name": "a", "urls": ["ext::x"]}}, "git.remote.urls[0]"),
        ({"filePath": ""}, "git.filePath"),
        ({"filePath": "../x"}, "git.filePath"),
        ({"filePath": "~/x"}, "git.filePath"),
        ({"filePath": "a\\b"}, "git.filePath"),
        ({"cloneDirectory": "/git/../etc"}, "git.cloneDirectory"),
        ({"branch": "-x"}, "git.branch"),
        ({"tag": "a..b"}, "git.tag"),
        ({"ref": "--upload-pack=id"}, "git.ref"),
        ({"ref": "main"}, "git.ref"),
        ({"creds": {"username": {"name": "a", "key": "b"}}}, "git.creds.password"),
        ({"githubApp": {"privateKey": {"name": "a", "key": "b"}, "appID": 1}}, "git.githubApp.installationID"),
        ({"ttl": "soon"}, "git.ttl"),
        ({"ttl": "-1s"}, "git.ttl"),
    ],
)
def test_what_git_must_not_see_is_refused_at_load(git_source: dict[str, Any], path: str) -> None:
    found = faults(from_git(**git_source))

    assert path in {one.partition(":")[0] for one in found}


def test_what_argo_events_examples_say_is_accepted() -> None:
    key, creds = {"name": "git-ssh", "key": "key"}, {"password": {"name": "github-secret", "key": "password"}}

    assert faults(from_git("git@github.com:argoproj/argo.git", sshKeySecret=key)) == []
    assert faults(from_git(tag="v2.4.0", creds=creds)) == []
    assert faults(from_git(ref="refs/pull/1/head")) == []
    assert faults(from_git(ref="0123456789abcdef0123456789abcdef01234567")) == []


def test_what_has_no_effect_or_is_not_safe_is_said() -> None:
    key, creds = {"name": "a", "key": "b"}, {"password": {"name": "a", "key": "b"}}

    assert any("not encrypted" in one for one in said(from_git("http://host/x")))
    assert any("insecureIgnoreHostKey: is true" in one for one in said(from_git("git@host:x", insecureIgnoreHostKey=True)))
    assert any("creds: has no effect" in one for one in said(from_git("git@host:x", creds=creds)))
    assert any("sshKeySecret: has no effect" in one for one in said(from_git(sshKeySecret=key)))
    assert said(from_git(creds=creds)) == []


@pytest.mark.parametrize(
    ("dest", "is_said"),
    [
        ("k8s.source.git.url", True),
        ("k8s.source.git.remote.urls.0", True),
        ("k8s.source.url.path", True),
        ("k8s.source.git.ref", False),
        ("k8s.source.git.branch", False),
        ("k8s.operation", False),
    ],
)
def test_an_event_that_chooses_where_the_object_is_read_from_is_said(dest: str, is_said: bool) -> None:
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.x"}, "dest": dest}
    found = notices(trigger_model().model_validate(entry(from_git(), parameters=[parameter])))

    assert any(one.path == "parameters[0]" and "choose where" in one.text for one in found) == is_said


async def test_an_event_cannot_lead_git_astray(world: World) -> None:
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.url"}, "dest": "k8s.source.git.url"}
    changed = program(entry(from_git(), parameters=[parameter]), world)

    with pytest.raises(TriggerError, match=r"git.url: asks git to run a helper program"):
        await render(changed, {"dep": event({"body": {"url": "ext::sh -c id", "after": "x"}})}, firing())


# -- in the queue


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


@pytest.fixture
async def acting(engine: Engine) -> AsyncIterator[Engine]:
    async with open_http() as client:
        engine.world.http = client
        engine.world.secrets = Kept(SECRETS)
        yield engine


async def test_a_backlog_shares_one_fetch(acting: Engine, kube: Kube, key: TriggerKey, target: HttpTarget) -> None:
    firings = await decided(acting.bus.log, acting.bus.ledger, acting.epoch, key, range(1, 101))
    source = entry({"url": {"path": f"{target.url}/a"}})
    source["template"]["k8s"]["parameters"] = []

    acting.dispatcher.set_trigger(key, program(source, acting.world, key))
    for one in firings:
        await ended(acting.bus.ledger, one)

    assert len(target.requests) == 1
    assert len((await kube.list("v1", "ConfigMap", key.namespace)).items) == 100


async def test_a_source_that_is_away_is_on_record_and_holds_back_no_other_trigger(
    acting: Engine, kube: Kube, key: TriggerKey, target: HttpTarget
) -> None:
    away = key._replace(trigger="away")
    with contextlib.closing(await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.sockets[0].getsockname()[1]}/a"
    strategy = {"steps": 2, "duration": "10ms"}
    failing_entry, well = entry({"url": {"path": url}}, retryStrategy=strategy), entry({"url": {"path": f"{target.url}/a"}})
    well["template"]["k8s"]["parameters"] = []
    acting.dispatcher.set_trigger(away, program(failing_entry, acting.world, away))
    acting.dispatcher.set_trigger(key, program(well, acting.world, key))

    (lost,) = await decided(acting.bus.log, acting.bus.ledger, acting.epoch, away)
    record = await ended(acting.bus.ledger, lost, FiringState.DEAD)
    (other,) = await decided(acting.bus.log, acting.bus.ledger, acting.epoch, key)
    await ended(acting.bus.ledger, other)

    assert [attempt.outcome.reason for attempt in record.history] == ["SourceUnavailable"] * 2
    server = acting.dispatcher.stats().servers["kubernetes"]
    assert (server.shut_for, server.window) == (0.0, 256)


async def test_a_source_that_was_corrected_heals_the_firing_that_waits(
    acting: Engine, kube: Kube, key: TriggerKey, target: HttpTarget
) -> None:
    target.body = b"a: [b"
    source = entry({"url": {"path": f"{target.url}/a"}}, retryStrategy={"steps": 50, "duration": "50ms", "factor": 1})
    source["template"]["k8s"]["parameters"] = []
    acting.dispatcher.set_trigger(key, program(source, acting.world, key))
    (one,) = await decided(acting.bus.log, acting.bus.ledger, acting.epoch, key)
    await until(lambda: bool(acting.seen.outcomes))

    target.body = OBJECT.encode()
    record = await ended(acting.bus.ledger, one)

    assert record.history[0].outcome.reason == "InvalidObject"


async def test_a_later_attempt_reads_the_source_anew_since_it_may_have_been_what_was_wrong(
    acting: Engine, kube: Kube, key: TriggerKey, target: HttpTarget
) -> None:
    target.body = OBJECT.replace("ConfigMap", "Nonsense").encode()
    source = entry({"url": {"path": f"{target.url}/a"}}, retryStrategy={"steps": 100, "duration": "50ms", "factor": 1})
    source["template"]["k8s"]["parameters"] = []
    acting.dispatcher.set_trigger(key, program(source, acting.world, key))
    (one,) = await decided(acting.bus.log, acting.bus.ledger, acting.epoch, key)
    await until(lambda: bool(acting.seen.outcomes))

    target.body = OBJECT.encode()
    record = await ended(acting.bus.ledger, one)

    assert "does not serve the kind Nonsense" in record.history[0].outcome.message
