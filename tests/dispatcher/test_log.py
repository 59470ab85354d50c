"""The `log` trigger."""

from __future__ import annotations

from structlog.testing import capture_logs

from dispatcher.program import TriggerProgram
from dispatcher.trigger import Work
from tests.dispatcher.support import World, event, firing, program


def log(**settings: int) -> TriggerProgram:
    return program({"template": {"name": "build", "log": settings}}, World())


async def act(made: TriggerProgram) -> list[dict[str, object]]:
    trigger = made.trigger({})
    with capture_logs() as lines:
        request = await trigger.render(Work(firing(), {"dep": event({"body": "hello"})}))
        await trigger.execute(request, firing())
    return [dict(line) for line in lines if line.get("action") == "trigger-log"]


async def test_each_event_is_written_with_its_dependency_context_and_data() -> None:
    (line,) = await act(log())

    assert line["dependency"] == "dep"
    assert line["data"] == '{"body":"hello"}'
    assert line["trigger"] == "build"
    assert line["context"] == {
        "id": event().id,
        "source": "hooks",
        "type": "webhook",
        "subject": "in",
        "time": "2026-11-25T08:00:00.000000Z",
    }


async def test_without_an_interval_every_firing_is_written() -> None:
    made = log()

    assert [len(await act(made)) for _ in range(3)] == [1, 1, 1]


async def test_an_interval_lets_one_firing_through_and_is_quiet_about_the_next() -> None:
    made = log(intervalSeconds=3600)

    assert [len(await act(made)) for _ in range(3)] == [1, 0, 0]
