"""Hooks at GitHub: made, found again, corrected, deleted; over real sockets, to a GitHub of our own at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from eventsource.manifest import parse
from eventsource.room import Restarts
from eventsource.setting import Setting
from eventsource.source import Address
from eventsource.sources.github import Github
from tests.eventsource.github_api import GithubApi, github_api
from tests.eventsource.parts import Cursors, House, KeptSecrets, house, until

URL = "https://hooks.example/gh"
SHOP, STOCK = "repos/acme/shop", "repos/acme/stock"
CURSOR = "argo/hooks/repo"


def source(api: GithubApi, **settings: Any) -> dict[str, Any]:
    entry = {
        "repositories": [{"owner": "acme", "names": ["shop"]}],
        "events": ["push"],
        "active": True,
        "contentType": "json",
        "webhook": {"url": "https://hooks.example/", "endpoint": "/gh", "port": "12000", "method": "POST"},
        "webhookSecret": {"name": "gh", "key": "secret"},
        "apiToken": {"name": "gh", "key": "token"},
        "githubBaseURL": api.url,
        "githubUploadURL": api.url,
        **settings,
    }
    return {"github": {"repo": entry}}


@pytest.fixture
async def api() -> AsyncIterator[GithubApi]:
    async with github_api(SHOP, STOCK) as served:
        yield served


@pytest.fixture
async def h() -> AsyncIterator[House]:
    restarts = Restarts(first=0.02, most=0.1, stop=5.0)
    async with house({"gh/secret": b"s3cret\n", "gh/token": b"good\n"}, restarts=restarts) as made:
        yield made


def noted(h: House) -> dict[str, int]:
    return dict(orjson.loads(h.ledger.kept.get(CURSOR, b"{}")))


async def test_a_hook_is_made_as_the_manifest_says_and_signed_with_its_secret(api: GithubApi, h: House) -> None:
    await h.apply(source(api))
    await until(lambda: noted(h))

    ((number, hook),) = api.places[SHOP].items()
    assert (hook["events"], hook["active"]) == (["push"], True)
    assert hook["config"] == {"url": URL, "content_type": "json", "insecure_ssl": "0", "secret": "********"}
    assert api.secrets == {number: "s3cret"}
    assert noted(h) == {SHOP: number}
    assert h.problem("repo") == ""


async def test_a_hook_that_is_there_is_corrected_and_never_doubled(api: GithubApi, h: House) -> None:
    # as argo-events joins the two, with content type and events of another time
    config = {"url": "https://hooks.example//gh", "content_type": "form", "insecure_ssl": "0"}
    other = {"url": "https://elsewhere.example/gh", "content_type": "json"}
    api.places[SHOP] = {
        7: {"id": 7, "events": ["push"], "active": True, "config": other},
        8: {"id": 8, "events": ["push", "ping"], "active": False, "config": config},
    }
    await h.apply(source(api))
    await until(lambda: noted(h))

    assert noted(h) == {SHOP: 8}
    assert api.places[SHOP][7]["config"] == other
    assert (api.places[SHOP][8]["events"], api.places[SHOP][8]["active"]) == (["push"], True)
    assert api.places[SHOP][8]["config"]["url"] == URL
    assert api.secrets == {8: "s3cret"}


async def test_the_hook_is_found_on_a_later_page(api: GithubApi, h: House) -> None:
    config = {"url": URL, "content_type": "json", "insecure_ssl": 0}
    for number in range(1, 131):
        api.places[SHOP][number] = {"id": number, "events": [], "active": True, "config": {"url": f"https://x/{number}"}}
    api.places[SHOP][131] = {"id": 131, "events": ["push"], "active": True, "config": config}
    await h.apply(source(api))
    await until(lambda: noted(h))

    assert noted(h) == {SHOP: 131}
    assert len(api.places[SHOP]) == 131


async def test_organizations_have_hooks_too(api: GithubApi, h: House) -> None:
    api.places["orgs/acme"] = {}
    await h.apply(source(api, repositories=[], organizations=["acme"]))
    await until(lambda: noted(h))

    assert list(noted(h)) == ["orgs/acme"]


async def test_one_repository_that_refuses_does_not_hold_back_the_others_and_is_told_of(api: GithubApi, h: House) -> None:
    await h.apply(source(api, repositories=[{"owner": "acme", "names": ["secret", "shop"]}]))
    await until(lambda: noted(h))
    await until(lambda: h.problem("repo"))

    assert list(noted(h)) == [SHOP]
    assert "repos/acme/secret/hooks" in h.problem("repo")
    assert "404 GithubHook: Not Found" in h.problem("repo")
    assert "admin:repo_hook" in h.problem("repo")


async def test_a_token_that_is_wrong_shows_and_heals_and_deliveries_are_taken_meanwhile(api: GithubApi, h: House) -> None:
    h.secrets.values["gh/token"] = b"bad"
    h.secrets.values.pop("gh/secret")
    await h.apply(source(api))
    await until(lambda: "does not exist" in h.problem("repo"))
    h.secrets.values["gh/secret"] = b"s3cret"
    await until(lambda: "Bad credentials" in h.problem("repo"))
    assert h.ingress.bound(12000)


async def test_a_service_that_stops_leaves_its_hooks(api: GithubApi, h: House) -> None:
    await h.apply(source(api, deleteHookOnFinish=True))
    await until(lambda: noted(h))
    await h.room.__aexit__(None, None, None)

    assert len(api.places[SHOP]) == 1


async def test_the_hook_of_an_entry_that_goes_is_deleted_where_it_asks_for_that(api: GithubApi, h: House) -> None:
    await h.apply(source(api, deleteHookOnFinish=True))
    await until(lambda: noted(h))
    await h.room.remove("argo", "hooks")
    await until(lambda: not api.places[SHOP])

    assert noted(h) == {}


async def test_the_hook_of_an_entry_that_goes_stays_where_nothing_is_said(api: GithubApi, h: House) -> None:
    await h.apply(source(api))
    await until(lambda: noted(h))
    await h.room.remove("argo", "hooks")
    await until(lambda: not noted(h))

    assert len(api.places[SHOP]) == 1
    assert not [call for call in api.calls if call.startswith("DELETE")]


async def test_a_changed_entry_corrects_its_hook_and_deletes_it_where_it_names_the_place_no_more(api: GithubApi, h: House) -> None:
    both = [{"owner": "acme", "names": ["shop", "stock"]}]
    await h.apply(source(api, repositories=both, deleteHookOnFinish=True))
    await until(lambda: len(noted(h)) == 2)
    await h.apply(source(api, deleteHookOnFinish=True, events=["push", "pull_request"]))
    await until(lambda: len(noted(h)) == 1)

    assert api.places[STOCK] == {}
    assert [hook["events"] for hook in api.places[SHOP].values()] == [["push", "pull_request"]]


async def test_a_github_that_is_away_when_an_entry_goes_keeps_the_hook_and_hangs_nobody(api: GithubApi, h: House) -> None:
    await h.apply(source(api, deleteHookOnFinish=True))
    await until(lambda: noted(h))
    api.down = True
    await h.room.remove("argo", "hooks")
    await until(lambda: any(call.startswith("DELETE") for call in api.calls))
    await until(lambda: not h.room._withdrawing)

    assert len(api.places[SHOP]) == 1


async def test_without_a_public_url_no_hook_is_made(api: GithubApi, h: House) -> None:
    await h.apply(source(api, webhook={"endpoint": "/gh", "port": "12000", "method": "POST"}))
    await asyncio.sleep(0.05)

    assert (api.calls, h.problem("repo")) == ([], "")


class Hasty(Github):
    """Looks again after a moment."""

    look_every = 0.04
    secret_every = 0.02
    retry_first = 0.01


async def test_what_is_changed_at_github_is_put_right_and_a_new_secret_is_written_there(api: GithubApi) -> None:
    class Well:
        problems: list[str]

        def __init__(self) -> None:
            self.problems = []

        def well(self) -> None:
            self.problems.append("")

        def ill(self, problem: str) -> None:
            self.problems.append(problem)

    secrets, cursors, health = KeptSecrets({"gh/secret": b"one", "gh/token": b"good"}), Cursors(), Well()
    (entry,) = parse({"metadata": {"name": "hooks", "namespace": "argo"}, "spec": source(api)}).manifest.entries
    endpoint = Hasty(entry.spec, Setting(Address("argo", "hooks", "repo"), "github", health, secrets))  # type: ignore[arg-type]
    keeping = asyncio.create_task(endpoint.register(await cursors.cursor(CURSOR)))
    try:
        await until(lambda: api.secrets)
        (number,) = api.places[SHOP]
        writes = len([call for call in api.calls if call.startswith("PATCH")])
        looks = len(api.calls)
        await until(lambda: len(api.calls) > looks + 3)
        assert len([call for call in api.calls if call.startswith("PATCH")]) == writes  # nothing to correct: only looked at

        secrets.values["gh/secret"] = b"two"
        await until(lambda: api.secrets[number] == "two")
        api.places[SHOP][number]["active"] = False
        await until(lambda: api.places[SHOP][number]["active"])
        api.places[SHOP].clear()
        await until(lambda: api.places[SHOP])
        api.limited = 3
        await until(lambda: any("secondary rate limit" in problem for problem in health.problems))
        await until(lambda: health.problems[-1] == "")
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
