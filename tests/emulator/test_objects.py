"""What the Kubernetes API does with objects: create, read, update, patch, delete. Also run against a real one (`KUBECONFIG_TEST`)."""

from __future__ import annotations

import re

from tests.emulator.api import Api

JSON_PATCH = "application/json-patch+json"


async def test_a_created_object_gets_uid_version_time_and_generation(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a", size=1))

    metadata = made["metadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert metadata["resourceVersion"].isdecimal()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert metadata["generation"] == 1
    assert metadata["namespace"] == api.namespace
    assert (await api.get(f"{api.widgets}/a")).body == made


async def test_generate_name_appends_five_characters_and_stays_in_the_object(api: Api) -> None:
    body = api.widget(size=1)
    body["metadata"]["generateName"] = "ci-"

    names = [(await api.made(api.widgets, body))["metadata"] for _ in range(3)]

    assert all(re.fullmatch(r"ci-[a-z0-9]{5}", found["name"]) for found in names)
    assert all(found["generateName"] == "ci-" for found in names)
    assert len({found["name"] for found in names}) == 3


async def test_a_long_generate_name_is_cut_so_that_the_name_fits_a_label(api: Api) -> None:
    body = api.widget()
    body["metadata"]["generateName"] = "p" * 80

    name = (await api.made(api.widgets, body))["metadata"]["name"]

    assert len(name) == 63


async def test_a_name_that_is_taken_is_already_exists(api: Api) -> None:
    await api.made(api.widgets, api.widget("a"))

    answer = await api.post(api.widgets, api.widget("a"))

    assert answer.status == 409
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'widgets.{api.group} "a" already exists',
        "reason": "AlreadyExists",
        "details": {"name": "a", "group": api.group, "kind": "widgets"},
        "code": 409,
    }


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for answer in (
        await api.get(f"{api.widgets}/nobody"),
        await api.delete(f"{api.widgets}/nobody"),
        await api.patch(f"{api.widgets}/nobody", {"spec": {}}),
    ):
        assert answer.status == 404
        assert answer.body["message"] == f'widgets.{api.group} "nobody" not found'
        assert answer.body["reason"] == "NotFound"
        assert answer.body["details"] == {"name": "nobody", "group": api.group, "kind": "widgets"}


async def test_a_namespace_that_does_not_exist_is_not_found(api: Api) -> None:
    answer = await api.post(f"/apis/{api.group}/v1/namespaces/no-such-place/widgets", api.widget("a"))

    assert answer.status == 404
    assert answer.body["message"] == 'namespaces "no-such-place" not found'
    assert answer.body["details"] == {"name": "no-such-place", "kind": "namespaces"}


async def test_an_object_without_a_name_is_invalid(api: Api) -> None:
    answer = await api.post(api.widgets, api.widget())

    assert answer.status == 422
    assert answer.body["reason"] == "Invalid"
    assert answer.body["details"]["kind"] == "Widget"
    assert [(cause["reason"], cause["field"]) for cause in answer.body["details"]["causes"]][:1] == [
        ("FieldValueRequired", "metadata.name")
    ]


async def test_a_name_outside_rfc_1123_is_invalid(api: Api) -> None:
    for name in ("Upper", "under_score", "-a", "a.", "a" * 254):
        answer = await api.post(api.widgets, api.widget(name))
        assert answer.status == 422, name
        assert "metadata.name" in answer.body["message"]


async def test_a_label_value_outside_the_rules_is_invalid(api: Api) -> None:
    for value in ("a/b", "with space", "x" * 64, "-a"):
        body = api.widget("a")
        body["metadata"]["labels"] = {"k": value}
        answer = await api.post(api.widgets, body)
        assert answer.status == 422, value
        assert answer.body["details"]["causes"][0]["field"] == "metadata.labels"


async def test_another_api_version_kind_or_namespace_than_the_path_is_refused(api: Api) -> None:
    version = {**api.widget("a"), "apiVersion": f"{api.group}/v2"}
    kind = {**api.widget("a"), "kind": "Gadget"}
    elsewhere = api.widget("a")
    elsewhere["metadata"]["namespace"] = "default"

    assert (await api.post(api.widgets, version)).status == 400
    assert (await api.post(api.widgets, kind)).status in {400, 422}
    answer = await api.post(api.widgets, elsewhere)
    assert (answer.status, answer.body["message"]) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


async def test_a_body_that_is_not_json_is_a_bad_request(api: Api) -> None:
    answer = await api.post(api.widgets, b'{"metadata": ')

    assert (answer.status, answer.body["reason"], answer.body["kind"]) == (400, "BadRequest", "Status")


async def test_a_body_over_three_mebibytes_is_too_large(api: Api) -> None:
    answer = await api.post(api.configmaps, {"metadata": {"name": "big"}, "data": {"x": "y" * (3 * 1024 * 1024)}})

    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")


async def test_a_put_with_a_stale_version_is_a_conflict(api: Api) -> None:
    first = await api.made(api.widgets, api.widget("a", size=1))
    first["spec"]["size"] = 2
    assert (await api.put(f"{api.widgets}/a", first)).status == 200

    first["spec"]["size"] = 3
    answer = await api.put(f"{api.widgets}/a", first)

    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert answer.body["message"].startswith(
        f'Operation cannot be fulfilled on widgets.{api.group} "a": the object has been modified'
    )
    assert (await api.get(f"{api.widgets}/a")).body["spec"] == {"size": 2}


async def test_a_put_of_a_custom_resource_needs_a_version_and_one_of_a_config_map_does_not(api: Api) -> None:
    await api.made(api.widgets, api.widget("a", size=1))
    await api.made(api.configmaps, {"metadata": {"name": "c"}, "data": {"x": "1"}})

    blind = await api.put(f"{api.widgets}/a", api.widget("a", size=2))
    answer = await api.put(f"{api.configmaps}/c", {"metadata": {"name": "c"}, "data": {"x": "2"}})

    assert (blind.status, blind.body["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")
    assert (answer.status, answer.body["data"]) == (200, {"x": "2"})


async def test_the_name_on_a_put_must_be_the_one_in_the_path(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a"))
    made["metadata"]["name"] = "b"

    assert (await api.put(f"{api.widgets}/a", made)).status == 400


async def test_an_update_without_a_change_writes_nothing(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a", size=1))

    put = await api.put(f"{api.widgets}/a", made)
    patched = await api.patch(f"{api.widgets}/a", {"spec": {"size": 1}})

    assert put.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert patched.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_the_generation_counts_changes_of_the_spec_and_not_of_labels(api: Api) -> None:
    await api.made(api.widgets, api.widget("a", size=1))

    labelled = await api.patch(f"{api.widgets}/a", {"metadata": {"labels": {"x": "y"}}})
    resized = await api.patch(f"{api.widgets}/a", {"spec": {"size": 2}})

    assert labelled.body["metadata"]["generation"] == 1
    assert resized.body["metadata"]["generation"] == 2


async def test_a_merge_patch_adds_replaces_and_removes(api: Api) -> None:
    await api.made(api.widgets, api.widget("a", keep=1, drop=2, nested={"x": 1, "y": 2}, many=[1, 2]))

    answer = await api.patch(
        f"{api.widgets}/a", {"spec": {"drop": None, "nested": {"y": None, "z": {"n": None, "m": 1}}, "many": [3]}}
    )

    assert answer.body["spec"] == {"keep": 1, "nested": {"x": 1, "z": {"m": 1}}, "many": [3]}


async def test_a_merge_patch_with_a_stale_version_is_a_conflict(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a", size=1))
    await api.patch(f"{api.widgets}/a", {"spec": {"size": 2}})

    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"size": 3}}

    assert (await api.patch(f"{api.widgets}/a", stale)).status == 409


async def test_a_json_patch_applies_in_order_or_not_at_all(api: Api) -> None:
    await api.made(api.widgets, api.widget("a", items=[1, 2], drop="x"))
    good = [
        {"op": "test", "path": "/spec/drop", "value": "x"},
        {"op": "remove", "path": "/spec/drop"},
        {"op": "add", "path": "/spec/items/-", "value": 3},
        {"op": "replace", "path": "/spec/items/0", "value": 0},
        {"op": "copy", "from": "/spec/items", "path": "/spec/copied"},
        {"op": "add", "path": "/spec/a~1b", "value": True},
    ]

    answer = await api.patch(f"{api.widgets}/a", good, JSON_PATCH)
    refused = await api.patch(
        f"{api.widgets}/a", [{"op": "add", "path": "/spec/n", "value": 1}, {"op": "remove", "path": "/spec/no"}], JSON_PATCH
    )

    assert answer.body["spec"] == {"items": [0, 2, 3], "copied": [0, 2, 3], "a/b": True}
    assert refused.status == 422
    assert "n" not in (await api.get(f"{api.widgets}/a")).body["spec"]


async def test_a_json_patch_replaces_what_is_absent(api: Api) -> None:
    await api.made(api.widgets, api.widget("a", size=1))

    answer = await api.patch(f"{api.widgets}/a", [{"op": "replace", "path": "/spec/colour", "value": "red"}], JSON_PATCH)

    assert (answer.status, answer.body["spec"]) == (200, {"size": 1, "colour": "red"})


async def test_a_custom_resource_takes_no_strategic_merge(api: Api) -> None:
    await api.made(api.widgets, api.widget("a"))

    answer = await api.patch(f"{api.widgets}/a", {"spec": {}}, "application/strategic-merge-patch+json")

    assert (answer.status, answer.body["reason"]) == (415, "UnsupportedMediaType")


async def test_a_strategic_merge_merges_containers_by_name(api: Api) -> None:
    path = f"/apis/apps/v1/namespaces/{api.namespace}/deployments"
    labels = {"app": "x"}
    pod = {"containers": [{"name": "a", "image": "one"}, {"name": "b", "image": "two"}]}
    await api.made(
        path,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d"},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        },
    )

    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "new"}]}}}}
    answer = await api.patch(f"{path}/d", patch, "application/strategic-merge-patch+json")

    images = {container["name"]: container["image"] for container in answer.body["spec"]["template"]["spec"]["containers"]}
    assert images == {"a": "one", "b": "new"}


async def test_the_status_changes_only_through_its_subresource(api: Api) -> None:
    made = await api.made(api.widgets, {**api.widget("a", size=1), "status": {"phase": "Forged"}})
    assert "status" not in made

    forged = await api.patch(f"{api.widgets}/a", {"status": {"phase": "Forged"}})
    assert "status" not in forged.body

    honest = await api.patch(f"{api.widgets}/a/status", {"status": {"phase": "Ready"}, "spec": {"size": 9}})
    assert honest.body["status"] == {"phase": "Ready"}
    assert honest.body["spec"] == {"size": 1}
    assert honest.body["metadata"]["generation"] == 1

    put = await api.put(f"{api.widgets}/a/status", {**honest.body, "status": {"phase": "Gone"}})
    assert put.body["status"] == {"phase": "Gone"}
    assert (await api.get(f"{api.widgets}/a/status")).body == put.body


async def test_a_kind_without_the_subresource_keeps_its_status_in_the_object(api: Api) -> None:
    made = await api.made(api.plain, {**api.widget("a", kind="Plain"), "status": {"phase": "Running"}})

    assert made["status"] == {"phase": "Running"}
    assert (await api.get(f"{api.plain}/a/status")).status == 404


async def test_a_deletion_answers_with_a_status_that_names_the_object(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a"))

    answer = await api.delete(f"{api.widgets}/a", propagationPolicy="Background")

    assert answer.status == 200
    assert answer.body["status"] == "Success"
    assert answer.body["details"] == {"name": "a", "group": api.group, "kind": "widgets", "uid": made["metadata"]["uid"]}
    assert (await api.get(f"{api.widgets}/a")).status == 404


async def test_a_deletion_with_a_precondition_that_does_not_hold_is_a_conflict(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a"))
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}}

    assert (await api.delete(f"{api.widgets}/a", options)).status == 409
    options["preconditions"] = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    assert (await api.delete(f"{api.widgets}/a", options)).status == 200


async def test_finalizers_keep_an_object_until_they_are_gone(api: Api) -> None:
    body = api.widget("a")
    body["metadata"]["finalizers"] = ["tiphys.dev/hold"]
    await api.made(api.widgets, body)

    deleted = await api.delete(f"{api.widgets}/a")
    held = await api.get(f"{api.widgets}/a")
    released = await api.patch(f"{api.widgets}/a", {"metadata": {"finalizers": None}})

    assert deleted.status == 200
    assert "deletionTimestamp" in held.body["metadata"]
    assert held.body["metadata"]["generation"] == 2
    assert released.status == 200
    assert (await api.get(f"{api.widgets}/a")).status == 404


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        body = api.widget(name)
        body["metadata"]["labels"] = {"colour": colour}
        await api.made(api.widgets, body)

    answer = await api.delete(api.widgets, labelSelector="colour=red")

    assert answer.status == 200
    assert [item["metadata"]["name"] for item in (await api.get(api.widgets)).body["items"]] == ["b"]


async def test_a_dry_run_answers_and_keeps_nothing(api: Api) -> None:
    answer = await api.post(api.widgets, api.widget("a", size=1), dryRun="All", fieldManager="test", fieldValidation="Strict")

    assert answer.status == 201
    assert answer.body["spec"] == {"size": 1}
    assert "resourceVersion" not in answer.body["metadata"]
    assert (await api.get(f"{api.widgets}/a")).status == 404

    await api.made(api.widgets, api.widget("a", size=1))
    assert (await api.patch(f"{api.widgets}/a", {"spec": {"size": 2}}, dryRun="All")).body["spec"] == {"size": 2}
    assert (await api.delete(f"{api.widgets}/a", dryRun="All")).status == 200
    assert (await api.get(f"{api.widgets}/a")).body["spec"] == {"size": 1}


async def test_string_data_of_a_secret_is_merged_into_data(api: Api) -> None:
    path = f"/api/v1/namespaces/{api.namespace}/secrets"

    made = await api.made(
        path, {"metadata": {"name": "s"}, "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "new", "c": "ü"}}
    )

    assert made["data"] == {"a": "eA==", "b": "bmV3", "c": "w7w="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


async def test_a_put_with_another_uid_is_a_conflict(api: Api) -> None:
    made = await api.made(api.widgets, api.widget("a", size=1))
    made["metadata"]["uid"] = "11111111-2222-3333-4444-555555555555"
    made["spec"]["size"] = 2

    assert (await api.put(f"{api.widgets}/a", made)).status == 409


async def test_a_path_that_is_not_served_is_not_found(api: Api) -> None:
    for path in ("/apis/no.such.group/v1/things", f"/apis/{api.group}/v1/nothing", f"/apis/{api.group}/v9/widgets"):
        assert (await api.get(path)).status == 404


async def test_nothing_is_written_over_all_namespaces_at_once(api: Api) -> None:
    await api.made(api.configmaps, {"metadata": {"name": "kept"}})

    custom = [await api.post(api.all_widgets, api.widget("a")), await api.delete(api.all_widgets)]
    builtin = [
        await api.post("/api/v1/configmaps", {"metadata": {"name": "a"}}),
        await api.delete("/api/v1/configmaps", labelSelector=f"none={api.namespace}"),
        await api.delete("/api/v1/namespaces", labelSelector=f"none={api.namespace}"),
    ]

    assert [answer.status for answer in custom] == [404, 404]
    assert [answer.status for answer in builtin] == [405, 405, 405]
    assert (await api.get(f"{api.configmaps}/kept")).status == 200


async def test_a_put_needs_the_name_and_a_patch_cannot_move_an_object(api: Api) -> None:
    await api.made(api.configmaps, {"metadata": {"name": "c"}})
    for body in ({"metadata": {"name": "other"}}, {"metadata": {"namespace": "other"}}):
        assert (await api.patch(f"{api.configmaps}/c", body)).status == 400
    assert (await api.put(f"{api.configmaps}/c", {"metadata": {}})).status == 400


async def test_a_put_of_what_is_not_there_is_not_found_with_and_without_a_version(api: Api) -> None:
    versioned = api.widget("nobody")
    versioned["metadata"]["resourceVersion"] = "1"

    assert (await api.put(f"{api.widgets}/nobody", api.widget("nobody"))).status == 404
    assert (await api.put(f"{api.widgets}/nobody", versioned)).status in {404, 409}


async def test_metadata_that_is_null_is_none(api: Api) -> None:
    answer = await api.post(api.widgets, {**api.widget(), "metadata": None})

    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "metadata.name")


async def test_a_collection_takes_no_put_and_no_patch(api: Api) -> None:
    for method, content in (("PUT", "application/json"), ("PATCH", "application/merge-patch+json")):
        custom = await api.call(method, api.widgets, api.widget("a"), content=content)
        builtin = await api.call(method, api.configmaps, {"metadata": {"name": "a"}}, content=content)

        assert (custom.status, custom.body["reason"], custom.body["message"]) == (400, "BadRequest", "name must be provided")
        assert (builtin.status, builtin.body["reason"]) == (405, "MethodNotAllowed")
