"""Lists, selectors and watches of the Kubernetes API. Also run against a real one (`KUBECONFIG_TEST`)."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.emulator.api import Api


async def labelled(api: Api, name: str, **labels: str) -> dict[str, Any]:
    body = api.widget(name, size=1)
    body["metadata"]["labels"] = labels
    return await api.made(api.widgets, body)


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


async def test_a_list_shows_one_namespace_or_all_in_the_order_of_names(api: Api) -> None:
    for name in ("b", "c", "a"):
        await labelled(api, name)

    answer = await api.get(api.widgets)
    everywhere = await api.get(api.all_widgets)

    assert (answer.body["kind"], answer.body["apiVersion"]) == ("WidgetList", f"{api.group}/v1")
    assert names(answer) == ["a", "b", "c"]
    assert {"a", "b", "c"} <= set(names(everywhere))
    assert int(answer.body["metadata"]["resourceVersion"]) >= max(
        int(item["metadata"]["resourceVersion"]) for item in answer.body["items"]
    )
    assert (await api.get(f"/apis/{api.group}/v1/namespaces/no-such-place/widgets")).body["items"] == []

    await api.delete(f"{api.widgets}/b")
    assert names(await api.get(api.widgets)) == ["a", "c"]
    left = [item["metadata"] for item in (await api.get(api.all_widgets)).body["items"]]
    assert [metadata["name"] for metadata in left if metadata["namespace"] == api.namespace] == ["a", "c"]


async def test_pages_of_a_list_show_it_as_it_was_when_the_first_was_read(api: Api) -> None:
    for index in range(7):
        await labelled(api, f"w{index}")

    first = await api.get(api.widgets, limit=3)
    await labelled(api, "w3a")
    await api.delete(f"{api.widgets}/w5")
    await api.patch(f"{api.widgets}/w6", {"spec": {"size": 2}})
    second = await api.get(api.widgets, limit=3, **{"continue": first.body["metadata"]["continue"]})
    third = await api.get(api.widgets, limit=3, **{"continue": second.body["metadata"]["continue"]})

    assert [names(page) for page in (first, second, third)] == [["w0", "w1", "w2"], ["w3", "w4", "w5"], ["w6"]]
    assert third.body["items"][0]["spec"] == {"size": 1}
    assert not third.body["metadata"].get("continue")
    assert len({page.body["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1


async def test_pages_with_a_selector_are_full(api: Api) -> None:
    for index in range(6):
        await labelled(api, f"w{index}", even=str(index % 2 == 0))

    first = await api.get(api.widgets, limit=2, labelSelector="even=True")
    second = await api.get(api.widgets, limit=2, labelSelector="even=True", **{"continue": first.body["metadata"]["continue"]})

    assert (names(first), names(second)) == (["w0", "w2"], ["w4"])


async def test_a_continue_token_that_is_none_is_a_bad_request(api: Api) -> None:
    for text in ("nonsense", base64.urlsafe_b64encode(b'{"rv": []}').decode()):
        assert (await api.get(api.widgets, limit=1, **{"continue": text})).status == 400


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("colour=red", ["a", "c"]),
        ("colour==red", ["a", "c"]),
        ("colour!=red", ["b", "d"]),
        ("colour in (red, blue)", ["a", "b", "c"]),
        ("colour notin (red,blue)", ["d"]),
        ("colour", ["a", "b", "c"]),
        ("!colour", ["d"]),
        ("colour=red,size", ["c"]),
        ("size>4", ["c"]),
        ("size<4", ["d"]),
        ("app.kubernetes.io/name=x", ["d"]),
    ],
)
async def test_a_label_selector_chooses(api: Api, selector: str, expected: list[str]) -> None:
    await labelled(api, "a", colour="red")
    await labelled(api, "b", colour="blue")
    await labelled(api, "c", colour="red", size="5")
    await labelled(api, "d", size="3", **{"app.kubernetes.io/name": "x"})

    assert names(await api.get(api.widgets, labelSelector=selector)) == expected


async def test_selectors_that_are_wrong_are_bad_requests(api: Api) -> None:
    for selector in ("a b", "a in red", "=x", "a=b=c", "a in ("):
        assert (await api.get(api.widgets, labelSelector=selector)).status == 400, selector
    answer = await api.get(api.widgets, fieldSelector="spec.size=1")
    assert (answer.status, answer.body["message"]) == (400, "field label not supported: spec.size")


async def test_a_field_selector_chooses_by_name_and_type(api: Api) -> None:
    await labelled(api, "a")
    await labelled(api, "b")
    secrets = f"/api/v1/namespaces/{api.namespace}/secrets"
    await api.made(secrets, {"metadata": {"name": "s"}, "type": "tiphys.dev/x"})

    assert names(await api.get(api.widgets, fieldSelector="metadata.name=b")) == ["b"]
    assert names(await api.get(api.widgets, fieldSelector="metadata.name!=b")) == ["a"]
    assert names(await api.get(api.all_widgets, fieldSelector=f"metadata.namespace={api.namespace},metadata.name=a")) == ["a"]
    assert names(await api.get(secrets, fieldSelector="type=tiphys.dev/x")) == ["s"]


async def test_a_watch_from_a_version_shows_what_came_after_it(api: Api) -> None:
    await labelled(api, "before")
    version = (await api.get(api.widgets)).body["metadata"]["resourceVersion"]
    await labelled(api, "a")
    await api.patch(f"{api.widgets}/a", {"spec": {"size": 2}})

    async with api.watch(api.widgets, resourceVersion=version) as stream:
        seen = await stream.names(2)
        await api.delete(f"{api.widgets}/a")
        deleted = await stream.next()

    assert seen == [("ADDED", "a"), ("MODIFIED", "a")]
    assert deleted is not None
    assert (deleted[0], deleted[1]["spec"]) == ("DELETED", {"size": 2})
    assert int(deleted[1]["metadata"]["resourceVersion"]) > int(version) + 2


async def test_a_watch_without_a_version_begins_with_what_there_is(api: Api) -> None:
    await labelled(api, "a")
    await labelled(api, "b")

    for version in ({}, {"resourceVersion": "0"}):
        async with api.watch(api.widgets, **version) as stream:
            assert await stream.names(2) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_watch_with_a_selector_sees_objects_come_and_go(api: Api) -> None:
    version = (await labelled(api, "a", colour="red"))["metadata"]["resourceVersion"]
    async with api.watch(api.widgets, resourceVersion=version, labelSelector="colour=blue") as stream:
        await labelled(api, "other", colour="green")
        await api.patch(f"{api.widgets}/a", {"metadata": {"labels": {"colour": "blue"}}})
        await api.patch(f"{api.widgets}/a", {"spec": {"size": 2}})
        left = await api.patch(f"{api.widgets}/a", {"metadata": {"labels": {"colour": "red"}}})
        await api.delete(f"{api.widgets}/a")
        await labelled(api, "z", colour="blue")
        seen = [await stream.next() for _ in range(4)]

    assert [(event[0], event[1]["metadata"]["name"]) for event in seen if event] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "z"),
    ]
    assert seen[2] is not None
    assert seen[2][1]["metadata"]["resourceVersion"] == left.body["metadata"]["resourceVersion"]


async def test_a_watch_of_one_object_sees_no_other(api: Api) -> None:
    version = (await labelled(api, "a"))["metadata"]["resourceVersion"]
    async with api.watch(api.widgets, resourceVersion=version, fieldSelector="metadata.name=b") as stream:
        await labelled(api, "c")
        await labelled(api, "b")
        assert await stream.names(1) == [("ADDED", "b")]


async def test_a_watch_of_one_namespace_sees_no_other(api: Api) -> None:
    elsewhere = f"{api.namespace}-x"
    await api.made("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
    version = (await api.get(api.widgets)).body["metadata"]["resourceVersion"]

    async with api.watch(api.widgets, resourceVersion=version) as stream:
        await api.made(f"/apis/{api.group}/v1/namespaces/{elsewhere}/widgets", api.widget("there"))
        await labelled(api, "here")
        assert await stream.names(1) == [("ADDED", "here")]
    await api.delete(f"/api/v1/namespaces/{elsewhere}")


async def test_a_watch_ends_at_its_time_limit_with_a_last_bookmark(api: Api) -> None:
    elsewhere = f"{api.namespace}-y"
    await api.made("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": elsewhere}})
    version = (await labelled(api, "a"))["metadata"]["resourceVersion"]

    async with api.watch(api.widgets, resourceVersion=version, timeoutSeconds=5, allowWatchBookmarks="true") as stream:
        # kube-apiserver bookmarks what it has seen of the kind: without a change anywhere that is for its etcd's settings to say
        await api.made(f"/apis/{api.group}/v1/namespaces/{elsewhere}/widgets", api.widget("there"))
        event = await stream.next(bookmarks=True)
        assert await stream.next() is None

    assert event is not None
    assert event[0] == "BOOKMARK"
    assert event[1]["kind"] == "Widget"
    assert int(event[1]["metadata"]["resourceVersion"]) >= int(version)
    await api.delete(f"/api/v1/namespaces/{elsewhere}")


async def test_many_at_once_get_different_versions_and_a_watch_sees_them_in_order(api: Api) -> None:
    version = (await api.get(api.widgets)).body["metadata"]["resourceVersion"]
    async with api.watch(api.widgets, resourceVersion=version) as stream:
        made = await asyncio.gather(*(api.made(api.widgets, api.widget(f"w{index}")) for index in range(60)))
        seen = [await stream.next() for _ in range(60)]

    versions = [int(event[1]["metadata"]["resourceVersion"]) for event in seen if event]
    assert versions == sorted(versions)
    assert set(versions) == {int(obj["metadata"]["resourceVersion"]) for obj in made}


async def test_of_many_writers_with_one_version_one_wins(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a", size=0))

    answers = await asyncio.gather(*(api.put(f"{api.widgets}/a", {**made, "spec": {"size": index}}) for index in range(1, 21)))

    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    winner = next(answer for answer in answers if answer.status == 200)
    assert (await api.get(f"{api.widgets}/a")).body == winner.body


async def test_of_many_creates_with_one_name_one_wins(api: Api) -> None:
    answers = await asyncio.gather(*(api.post(api.widgets, api.widget("a", size=index)) for index in range(20)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 19


async def test_a_version_that_is_no_number_is_a_bad_request(api: Api) -> None:
    assert (await api.get(api.widgets, resourceVersion="abc")).status == 400


async def test_a_table_has_a_row_for_each_object(api: Api) -> None:
    await labelled(api, "a")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}

    answer = await api.call("GET", api.widgets, headers=accept)

    columns = [column["name"] for column in answer.body["columnDefinitions"]]
    assert (answer.body["kind"], columns[0], columns[-1]) == ("Table", "Name", "Age")
    assert answer.body["rows"][0]["cells"][0] == "a"
    assert answer.body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert json.dumps(answer.body["rows"][0]["object"]["metadata"]["name"]) == '"a"'


async def test_a_watch_as_a_table_names_the_columns_once(api: Api) -> None:
    await labelled(api, "a")
    await labelled(api, "b")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}

    async with api.watch(api.widgets, headers=accept) as stream:
        first, second = await stream.next(), await stream.next()

    assert first is not None
    assert second is not None
    assert (first[1]["kind"], [row["cells"][0] for row in first[1]["rows"]]) == ("Table", ["a"])
    assert first[1]["columnDefinitions"][0]["name"] == "Name"
    assert second[1]["rows"][0]["cells"][0] == "b"
    assert not second[1].get("columnDefinitions")


async def test_metadata_alone_can_be_asked_for(api: Api) -> None:
    await labelled(api, "a")
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}

    answer = await api.call("GET", api.widgets, headers=accept)

    assert answer.body["kind"] == "PartialObjectMetadataList"
    assert "spec" not in answer.body["items"][0]


async def test_a_column_can_choose_a_condition_by_its_type(api: Api) -> None:
    # given a Sensor that says that it is ready
    sensors = f"/apis/argoproj.io/v1alpha1/namespaces/{api.namespace}/sensors"
    if (await api.get(sensors)).status == 404:
        pytest.skip("the cluster of KUBECONFIG_TEST does not serve sensors")
    spec = {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v"}],
        "triggers": [{"template": {"name": "t", "log": {}}}],
    }
    for name in ("ready", "silent"):
        await api.made(sensors, {"apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor", "metadata": {"name": name}, "spec": spec})
    conditions = [{"type": "Acting", "status": "False"}, {"type": "Ready", "status": "True"}]
    assert (await api.patch(f"{sensors}/ready/status", {"status": {"conditions": conditions}})).status == 200
    # when
    answer = await api.call("GET", sensors, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    # then
    places = {column["name"]: place for place, column in enumerate(answer.body["columnDefinitions"])}
    cells = {row["cells"][0]: [row["cells"][places[name]] for name in ("Ready", "Acting")] for row in answer.body["rows"]}
    assert cells["ready"] == ["True", "False"]
    assert [cell or "" for cell in cells["silent"]] == ["", ""]
