"""Who we are to the API server: kubeconfigs, a pod's own account, certificates, and credentials that rotate."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from tests.clients.kube.stand_in import answer, listing, obj, refuse, stand_in, stream, take, write_kubeconfig
from tests.clients.kube.test_calls import AV, QUICK
from tiphys.clients.kube import connect
from tiphys.clients.kube.profile import from_kubeconfig, from_pod, kubeconfig_paths
from tiphys.clients.kube.proxies import proxy_for
from tiphys.errors import Refused, SettingsError, Unreachable

PATIENT = replace(QUICK, timeout=55, plugin_timeout=50)


def asks_for(token_file: Path):
    """Serves whoever has the token that stands in the file now."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token_file.read_text().strip()}":
            return web.json_response({"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}, status=401)
        return web.json_response(obj("a"))

    return handle


async def test_a_token_that_was_rotated_is_read_again_after_a_401_and_the_call_goes_on(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    async with stand_in(asks_for(token)) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
        async with connect(config, settings=QUICK) as kube:
            await kube.get(AV, "Sensor", "a")
            token.write_text("two\n")
            await kube.create(obj("a"))
    assert server.methods == ["GET", "POST", "POST"]


async def test_a_token_file_is_read_again_from_time_to_time(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    async with stand_in(answer(obj("a"))) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": str(token)})
        async with connect(config, settings=replace(QUICK, reread=0.0)) as kube:
            await kube.get(AV, "Sensor", "a")
            token.write_text("two")
            await kube.get(AV, "Sensor", "a")
    assert [headers["Authorization"] for _, _, _, headers, _ in server.asked] == ["Bearer one", "Bearer two"]


async def test_a_token_file_that_is_gone_for_a_moment_leaves_the_old_token_in_use(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    async with stand_in(answer(obj("a"))) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": str(token)})
        async with connect(config, settings=replace(QUICK, reread=0.0)) as kube:
            await kube.get(AV, "Sensor", "a")
            token.unlink()
            await kube.get(AV, "Sensor", "a")
            await kube.get(AV, "Sensor", "a")
    assert {headers["Authorization"] for _, _, _, headers, _ in server.asked} == {"Bearer one"}


async def test_a_watch_goes_on_with_a_rotated_token_without_a_trouble(tmp_path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    told: list[object] = []

    async def watched(request: web.Request) -> web.StreamResponse:
        token.write_text("two")  # it is rotated between the list and the watch
        refusal = await asks_for(token)(request)
        return refusal if refusal.status == 401 else await stream(("ADDED", obj("a", 101)), then="silent")(request)

    async with stand_in(answer(listing()), watched) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"tokenFile": str(token)})
        async with connect(config, settings=QUICK) as kube, aclosing(kube.watch(AV, "Sensor", on_trouble=told.append)) as events:
            assert await take(events, 2) == [("SYNCED", ""), ("ADDED", "a")]
    assert told == []


async def test_a_401_with_the_same_credentials_is_not_repeated(tmp_path) -> None:
    async with stand_in(refuse(401, "Unauthorized")) as server, connect(server.kubeconfig(tmp_path), settings=QUICK) as kube:
        with pytest.raises(Refused) as caught:
            await kube.get(AV, "Sensor", "a")
    assert caught.value.status == 401
    assert len(server.asked) == 1


PLUGIN = """
import json, os, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1
count.write_text(str(number))
print("noise on stderr", file=sys.stderr)
status = {"token": f"token-{number}"}
if len(sys.argv) > 2:
    status["expirationTimestamp"] = sys.argv[2]
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert os.environ["EXTRA"] == "yes"
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


def plugin(folder: Path, *arguments: str) -> dict:
    (folder / "plugin.py").write_text(PLUGIN)
    (folder / "count").write_text("0")
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(folder / "plugin.py"), str(folder / "count"), *arguments],
            "env": [{"name": "EXTRA", "value": "yes"}],
            "interactiveMode": "Never",
        }
    }


async def test_an_exec_plugin_gives_the_token_and_is_asked_again_after_a_401(tmp_path) -> None:
    async with stand_in(answer(obj("a")), answer(obj("a")), refuse(401), answer(obj("a"))) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, plugin(tmp_path))
        async with connect(config, settings=PATIENT) as kube:
            for _ in range(3):
                await kube.get(AV, "Sensor", "a")
    assert [headers["Authorization"] for _, _, _, headers, _ in server.asked] == [f"Bearer token-{n}" for n in (1, 1, 1, 2)]


async def test_an_exec_plugins_token_is_renewed_before_it_expires(tmp_path) -> None:
    async with stand_in(answer(obj("a"))) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, plugin(tmp_path, "2020-01-01T00:00:00Z"))
        async with connect(config, settings=PATIENT) as kube:
            await kube.get(AV, "Sensor", "a")
            await kube.get(AV, "Sensor", "a")
    tokens = [headers["Authorization"] for _, _, _, headers, _ in server.asked]
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("import sys; sys.exit('no session: run login')", "no session: run login"),
        ("import time; time.sleep(60)", "did not end"),
        ("print('{}')", "missing key"),
    ],
)
async def test_an_exec_plugin_that_fails_is_an_unreachable_server_with_its_last_words(tmp_path, command: str, says: str) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", command]}}
    async with stand_in(answer({})) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, user)
        async with connect(config, settings=replace(PATIENT, plugin_timeout=1 if "sleep" in command else 50, attempts=1)) as kube:
            with pytest.raises(Unreachable, match=says):
                await kube.version()
    assert server.asked == []


async def test_client_certificates_and_the_servers_authority(tmp_path) -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(theirs)
    theirs.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("me@example.test")
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "me.crt").write_bytes(b"".join(blob.bytes() for blob in mine.cert_chain_pems))
    key = base64.b64encode(mine.private_key_pem.bytes()).decode()

    async with stand_in(answer(obj("a")), ssl_context=theirs) as server:
        user = {"client-certificate": "me.crt", "client-key-data": key}
        known = write_kubeconfig(tmp_path / "known", server.url, user, **{"certificate-authority": "ca.crt"})
        async with connect(known, settings=QUICK) as kube:
            assert await kube.get(AV, "Sensor", "a") is not None
        lax = write_kubeconfig(tmp_path / "lax", server.url, user, **{"insecure-skip-tls-verify": True})
        async with connect(lax, settings=QUICK) as kube:
            assert await kube.get(AV, "Sensor", "a") is not None
        strange = write_kubeconfig(tmp_path / "strange", server.url, user)
        async with connect(strange, settings=QUICK) as kube:
            with pytest.raises(Unreachable, match="certificate"):
                await kube.create(obj("a"))


async def test_an_authority_that_was_replaced_is_read_again(tmp_path) -> None:
    old, new = trustme.CA(), trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    new.issue_cert("127.0.0.1").configure_cert(theirs)
    (tmp_path / "ca.crt").write_bytes(old.cert_pem.bytes())
    async with stand_in(answer(obj("a")), ssl_context=theirs) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"token": "t"}, **{"certificate-authority": "ca.crt"})
        async with connect(config, settings=QUICK) as kube:
            with pytest.raises(Unreachable):
                await kube.create(obj("a"))
            (tmp_path / "ca.crt").write_bytes(new.cert_pem.bytes())
            await kube.create(obj("a"))


def test_several_kubeconfigs_merge_and_the_first_wins(tmp_path) -> None:
    first = write_kubeconfig(tmp_path / "first", "https://first", {"token": "one"})
    (tmp_path / "other").mkdir()
    second = write_kubeconfig(tmp_path / "other" / "second", "https://second", {"username": "u", "password": "p"})
    second.write_text(second.read_text().replace('"c"', '"c2"').replace('"u"', '"u2"', 2).replace('"here"', '"there"'))
    assert from_kubeconfig([first, second]).server == "https://first"
    assert from_kubeconfig([first, second], "there").server == "https://second"
    assert from_kubeconfig([second, first]).server == "https://second"


def test_a_kubeconfigs_impersonation_is_kept(tmp_path) -> None:
    """Ignoring `as` would act with more rights than the file asks for."""
    config = write_kubeconfig(tmp_path / "config", "https://x", {"token": "t", "as": "jane", "as-groups": ["a", "b"]})
    assert from_kubeconfig([config]).impersonation == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
    )


async def test_several_groups_are_sent_as_several_headers(tmp_path) -> None:
    async with stand_in(_all_groups) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, {"token": "t", "as": "jane", "as-groups": ["a", "b"]})
        async with connect(config, settings=QUICK) as kube:
            assert await kube.create(obj("a")) == {"user": ["jane"], "groups": ["a", "b"]}
            assert await kube.create(obj("a"), impersonate="system:serviceaccount:argo:ci") == {
                "user": ["system:serviceaccount:argo:ci"],
                "groups": [],
            }


async def _all_groups(request: web.Request) -> web.StreamResponse:
    headers = request.headers
    return web.json_response({"user": headers.getall("Impersonate-User", []), "groups": headers.getall("Impersonate-Group", [])})


async def test_a_user_in_the_servers_url_is_a_credential_and_never_shown(tmp_path) -> None:
    async with stand_in(refuse(403, "Forbidden")) as server:
        config = write_kubeconfig(tmp_path / "config", server.url.replace("//", "//tiphys:hunter%402@"), {})
        async with connect(config, settings=QUICK) as kube:
            with pytest.raises(Refused) as caught:
                await kube.get(AV, "Sensor", "a")
    assert server.asked[0][3]["Authorization"] == "Basic " + base64.b64encode(b"tiphys:hunter@2").decode()
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: [", "is no YAML"),
        ("[]", "is no kubeconfig"),
        ("", "no current-context"),
        (json.dumps({"current-context": "x"}), "there is no context 'x'"),
        (json.dumps({"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c"}}]}), "there is no cluster 'c'"),
        (
            json.dumps(
                {
                    "current-context": "x",
                    "contexts": [{"name": "x", "context": {"cluster": "c"}}],
                    "clusters": [{"name": "c", "cluster": {}}],
                }
            ),
            "no http or https server",
        ),
    ],
)
def test_a_kubeconfig_that_does_not_do_is_a_sentence(tmp_path, content: str, says: str) -> None:
    config = tmp_path / "config"
    config.write_text(content)
    with pytest.raises(SettingsError, match=says):
        from_kubeconfig([config])


def test_without_any_configuration_the_remedy_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError, match="--local"):
        kubeconfig_paths(None, {})
    with pytest.raises(SettingsError, match="there is no file"):
        kubeconfig_paths(tmp_path / "absent", {})
    with pytest.raises(SettingsError, match="none of the files"):
        kubeconfig_paths(None, {"KUBECONFIG": "/absent:/too"})
    assert kubeconfig_paths(None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None


def test_a_pod_uses_its_service_account(tmp_path) -> None:
    for name, content in (("token", "tok\n"), ("ca.crt", "pem"), ("namespace", "tools")):
        (tmp_path / name).write_text(content)
    profile = from_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert (profile.server, profile.namespace, profile.authorization) == ("https://[fd00::1]:6443", "tools", "Bearer tok")
    assert profile.rotates


def test_credentials_do_not_show_in_a_traceback(tmp_path) -> None:
    profile = from_kubeconfig([write_kubeconfig(tmp_path / "config", "https://x", {"token": "hunter2"})])
    assert "hunter2" not in repr(profile)


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        ("https://10.96.0.1:443", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://10.96.0.1:443", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://10.96.0.1:443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.96.0.0/12"}, None),
        ("https://api.example.test", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.test"}, None),
        ("https://api.example.test", {"HTTPS_PROXY": "http://p:1", "no_proxy": " .example.test ,x"}, None),
        ("https://api.example.test", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample.test"}, "http://p:1"),
        ("https://api.example.test:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.test:443"}, "http://p:1"),
        ("https://api.example.test:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.test:6443"}, None),
        ("https://api.example.test", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://127.0.0.1:16443", {"HTTPS_PROXY": "http://p:1"}, None),
        ("http://localhost:16443", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://api.example.test", {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_the_environments_proxy_is_read_as_kubectl_reads_it(server: str, environ: dict[str, str], expected: str | None) -> None:
    assert proxy_for(server, "", environ) == expected


def test_the_kubeconfigs_proxy_goes_first() -> None:
    assert proxy_for("https://x", "http://own:1", {"NO_PROXY": "*", "HTTPS_PROXY": "http://other"}) == "http://own:1"


async def test_a_proxy_of_a_kind_that_we_cannot_speak_to_is_a_sentence(tmp_path) -> None:
    config = write_kubeconfig(tmp_path / "config", "https://x", {}, **{"proxy-url": "socks5://own:1"})
    async with connect(config, settings=QUICK) as kube:
        with pytest.raises(Unreachable, match="only http and https proxies"):
            await kube.version()


def test_kubernetes_asyncio_is_not_loaded_where_it_is_not_needed() -> None:
    """It costs 65 MiB and a second."""
    check = "import sys, tiphys.clients.kube; sys.exit(any(name.startswith('kubernetes_asyncio') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
