"""The zones that a manifest names."""

from __future__ import annotations

import pytest

from tiphys.app.zones import named_zones, read_zones
from tiphys.languages import cron


def test_zones_are_found_wherever_they_stand() -> None:
    manifest = {
        "spec": {
            "triggers": [
                {"template": {"conditionsReset": [{"byTime": {"cron": "TZ=Asia/Tokyo 0 22 * * *", "timezone": "Europe/Rome"}}]}}
            ],
            "calendar": {"nightly": {"schedule": "CRON_TZ=America/Lima 0 2 * * *", "interval": "10s", "timezone": 7}},
        }
    }
    assert sorted(named_zones(manifest)) == ["America/Lima", "Asia/Tokyo", "Europe/Rome"]
    assert list(named_zones({"spec": None})) == []


@pytest.mark.parametrize("name", ["Pacific/Apia", "Africa/Cairo"])
async def test_a_zone_that_was_read_is_at_hand_on_the_event_loop(name: str) -> None:
    await read_zones({"timezone": name})
    assert str(cron.load_zone(name)) == name


async def test_a_name_that_is_no_zone_is_left_to_whoever_compiles_it() -> None:
    await read_zones({"timezone": "No/Zone", "cron": "TZ=Nowhere 0 2 * * *"})
