"""`tiphys demo` as its user sees it: what it prints, each line that it suggests, its end, the next run, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sysconfig
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demonstration import PROGRAM, SECONDS, Demo, children, environment, linux, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One that runs, with its data in a folder whose name a shell would split."""
    with Demo(tmp_path_factory.mktemp("demo"), data="my data") as running:
        yield running.told()


def refused(demo: Demo, code: int) -> str:
    """It ends by itself with this exit code, one line on standard error and nothing on the other; that line."""
    with demo:
        assert demo.ended() == code, demo.errors
    assert len(demo.errors.splitlines()) == 1, demo.errors
    assert demo.output == ""
    return demo.errors


def ill(demo: Demo) -> list[str]:
    """Sources that report a problem."""
    headers = {"Authorization": f"Bearer {(demo.data / 'api-token').read_text()}"}
    request = urllib.request.Request(f"{(demo.data / 'api-url').read_text().strip()}/api/v1/overview", headers=headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return [f"{one['eventsource']}/{one['event']}" for one in json.load(answer)["sources"] if one["problem"]]


# -- what it shows


def test_a_push_an_event_a_decision_and_a_workflow_are_shown(demo: Demo) -> None:
    # given the first commit of its repository
    log = ["git", "-C", str(demo.data / "demo.git"), "log", "--format=%H", "--reverse", "main"]
    first = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split()[0]
    # then its way can be read
    lines = [line.split(maxsplit=1) for line in demo.output.splitlines() if line.startswith(" ")]
    said = {words[0]: words[1] for words in reversed(lines) if len(words) == 2}
    assert said["push"].startswith(first[:12])
    assert said["event"].endswith("git repository/push")
    event = said["event"].split()[0]
    assert said["decision"] == f"{event}  sensor ci, trigger ci: fired"
    # and the Workflow that it names is there
    (name,) = demo.workflows_of("ci", first)
    assert said["created"].startswith(f"Workflow argo/{name}  (")
    assert "Try next, in another terminal:" in demo.output


def test_nothing_is_logged_as_an_error(demo: Demo) -> None:
    assert "error" not in demo.errors.lower()
    assert "Traceback" not in demo.errors


# -- what it suggests


def test_another_push_is_another_workflow(demo: Demo) -> None:
    # when
    done = demo.type(demo.line("push again"))
    # then
    assert done.returncode == 0, done.stderr
    revision = demo.revision()
    assert len(until(lambda: demo.workflows_of("ci", revision) or None, "a Workflow of the second push")) == 1


def test_the_signed_github_webhook_is_a_workflow_once(demo: Demo) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    # given
    line = demo.line("a signed GitHub webhook")
    revision = (demo.data / "github-push.json").read_text().split('"after":"')[1][:40]
    # when it is delivered twice
    answers = [demo.type(line).stdout for _ in range(2)]
    # then
    assert answers == ["success", "success"]
    assert len(until(lambda: demo.workflows_of("ci-github", revision) or None, "a Workflow of the delivery")) == 1


def test_the_event_is_explained(demo: Demo) -> None:
    # when
    done = demo.type(demo.line("why it fired"))
    # then
    assert done.returncode == 0, done.stderr
    assert "sensor ci, trigger ci: fired" in done.stdout
    assert "body.deleted" in done.stdout


def test_kubectl_shows_the_workflows(demo: Demo) -> None:
    scripts = sysconfig.get_path("scripts")
    if not shutil.which("kubectl", path=environment(scripts)["PATH"]):
        pytest.skip("there is no kubectl")
    # when
    done = demo.type(demo.line("what there is"), path=scripts)
    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("NAME")
    assert done.stdout.splitlines()[1].startswith("ci-")


def test_the_manifests_are_there_to_be_edited(demo: Demo) -> None:
    assert demo.type(demo.line("the manifests, picked up live")).stdout.split() == [
        "01-sources.yaml",
        "02-workflows.yaml",
        "03-sensors.yaml",
    ]


def test_a_second_one_on_the_same_data_is_refused(demo: Demo) -> None:
    # given
    second = Demo(demo.folder, data=demo.data.name)
    # then
    assert "my data" in refused(second, 4)
    # and the first goes on
    assert demo.workflows()


# -- its end, and the next run


def test_an_interrupt_ends_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    # given one that was interrupted
    with Demo(tmp_path) as first:
        old = first.told().workflows()
        assert first.interrupt() == 0
    # when it runs again
    with Demo(tmp_path) as second:
        second.told()
        # then what it made is still there, and there is one more, of the new push
        workflows = second.workflows()
        assert [one["metadata"]["uid"] for one in workflows[:-1]] == [one["metadata"]["uid"] for one in old]
        assert second.workflows_of("ci", second.revision()) == [workflows[-1]["metadata"]["name"]]
        assert second.interrupt() == 0
    assert "Traceback" not in second.errors


def test_an_interrupt_ends_it_while_it_still_opens(tmp_path: Path) -> None:
    with Demo(tmp_path) as demo:
        # given one that has only just opened its store
        until(lambda: (demo.data / "tiphys.db").exists() or None, "a store")
        # then
        assert demo.interrupt() == 0
        assert "Traceback" not in demo.errors


@linux
def test_an_interrupt_ends_it_while_it_waits_for_its_kubernetes(tmp_path: Path) -> None:
    with Demo(tmp_path, data=str(tmp_path / "data")) as demo:
        # given an embedded API that hangs as it starts
        (child,) = until(lambda: children(demo.data) or None, "the embedded API")
        os.kill(child, signal.SIGSTOP)
        # then
        assert demo.interrupt() == 0
        assert (demo.output, demo.errors) == ("", "")
    assert children(demo.data) == []


def test_edits_are_kept_by_the_next_run(tmp_path: Path) -> None:
    # given
    edited = tmp_path / ".tiphys/quickstart/02-workflows.yaml"
    edited.parent.mkdir(parents=True)
    text = "# mine\n" + (Path(__file__).parents[2] / "examples/quickstart/02-workflows.yaml").read_text()
    edited.write_text(text)
    # when
    with Demo(tmp_path) as demo:
        demo.told()
    # then
    assert edited.read_text() == text
    assert "created" in demo.output


def test_a_push_that_git_refuses_is_told_and_the_service_goes_on(tmp_path: Path) -> None:
    # given a clone that somebody has left without a branch
    with Demo(tmp_path) as demo:
        demo.told()
        demo.interrupt()
    subprocess.run(["git", "-C", str(tmp_path / ".tiphys/demo"), "checkout", "-q", "--detach"], check=True)
    # when
    with Demo(tmp_path) as demo:
        demo.told()
        # then
        assert "Nothing was pushed. git: `git -C" in demo.output
        assert len(demo.workflows()) == 1
        assert demo.interrupt() == 0


def test_the_users_own_git_settings_do_not_get_in_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given somebody who signs commits, has hooks that refuse, other names for branches, and started it from a hook
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "hooks/pre-commit").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[commit]\ngpgsign = true\n[user]\nsigningkey = none\n[core]\nhooksPath = {tmp_path / 'hooks'}\n"
        "[init]\ndefaultBranch = trunk\n[push]\ndefault = nothing\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    # when
    with Demo(tmp_path) as demo:
        demo.told()
        # then
        assert len(demo.workflows()) == 1
        # and a push by hand is one more
        monkeypatch.delenv("GIT_DIR")
        done = demo.type(demo.line("push again"))
        assert done.returncode == 0, done.stderr
        until(lambda: len(demo.workflows()) == 2 or None, "a Workflow of the second push")
        assert demo.interrupt() == 0


# -- a MinIO


def test_a_minio_that_is_away_does_not_stop_the_rest(tmp_path: Path) -> None:
    # given port 9, where nobody listens, and a key with signs that a URL must escape
    with Demo(tmp_path, "--minio", "http://a%3Ab:s%22e%40cret@127.0.0.1:9") as demo:
        # then
        assert demo.told().workflows()
        assert '{accesskey: "a:b", secretkey: "s\\"e@cret"}' in (demo.data / "quickstart/04-minio.yaml").read_text()
        # and its source says that it is ill, alone
        assert until(lambda: ill(demo) or None, "a source in trouble") == ["store/uploads"]
        linted = demo.type(shlex.join((*PROGRAM, "lint", ".tiphys/quickstart")))
        assert linted.returncode == 0, linted.stdout
        assert demo.interrupt() == 0


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9000", "http://127.0.0.1:9000", "http://key@127.0.0.1:9000", "ftp://a:hush@host", "http://a:hush@host:port",
        "http://a:hush@host:99999", "http://a:hush@[::1", "http://a:hush@host/bucket", "http://a:hush@",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_minio_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    line = refused(Demo(tmp_path, "--minio", url), 2)
    assert line.startswith("tiphys: --minio: ")
    assert "http://ACCESSKEY:SECRETKEY@HOST:PORT" in line
    assert "hush" not in line
    assert not (tmp_path / ".tiphys").exists()


# -- what it needs


def test_without_git_one_line_says_so(tmp_path: Path) -> None:
    # when it is called by the full path of its interpreter, and PATH has nothing
    done = subprocess.run(
        [*PROGRAM, "demo"],
        cwd=tmp_path,
        env={**environment(), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    # then
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "tiphys: git: is not installed; install it with your package manager; the demo pushes to a real repository\n"
    )


@pytest.mark.parametrize("door", ["ingress", "api", "kubernetes"])
def test_a_port_in_use_is_one_line(tmp_path: Path, door: str) -> None:
    # given
    demo = Demo(tmp_path)
    with socket.create_server(("127.0.0.1", demo.ports[door])):
        # then
        line = refused(demo, 2)
    assert door in line
    assert str(demo.ports[door]) in line


def test_a_data_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".tiphys").write_text("")
    assert refused(Demo(tmp_path), 2).startswith("tiphys: --data: ")
