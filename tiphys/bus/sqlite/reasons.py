"""Why there was no firing, where a verdict alone does not say it: refusals and losses, as the file has them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Held, Loss, Refusal
from tiphys.bus.sqlite.records import Damaged, seal, unseal
from tiphys.bus.sqlite.store import Reader
from tiphys.bus.sqlite.transaction import Transaction

__all__ = ["losses_of", "put_losses", "put_refusals", "refusals_of"]


def put_refusals(tx: Transaction, refusals: Sequence[tuple[int, Refusal]]) -> None:
    """Record refusals, each with the position of its event; a later one of the same event, trigger and dependency replaces it."""
    if refusals:
        rows = [
            (position, tx.trigger(one.trigger), one.dependency, one.at if one.heals else None, _refusal_text(one))
            for position, one in refusals
        ]
        tx.rows("put_refusals", rows)


def refusals_of(reader: Reader, position: int) -> list[Refusal]:
    """The refusals of the event at a position; one whose record is damaged is left out."""
    found = []
    for *key, dependency, record in reader.all("refusals_of", position=position):
        try:
            found.append(_refusal(TriggerKey(*key), dependency, record))
        except Damaged:
            continue
    return found


def put_losses(tx: Transaction, losses: Sequence[Loss]) -> None:
    """Record losses."""
    if losses:
        tx.rows("put_losses", [(one.position, tx.trigger(one.trigger), one.dependency, one.at, one.reason) for one in losses])


def losses_of(reader: Reader, position: int) -> list[Loss]:
    """Where the event at a position was held and lost."""
    return [
        Loss(TriggerKey(*key), dependency, position, reason, at)
        for *key, dependency, at, reason in reader.all("losses_of", position=position)
    ]


def _refusal_text(refusal: Refusal) -> str:
    beside = [
        (one.dependency, one.digest, one.event_id, one.position, one.at, one.join, _text(one.transformed)) for one in refusal.beside
    ]
    message = refusal.message.encode("utf-8", "replace").decode()
    return seal(orjson.dumps([refusal.reason, message, refusal.at, beside, refusal.heals]))


def _refusal(key: TriggerKey, dependency: str, record: str) -> Refusal:
    try:
        reason, message, at, beside, heals = orjson.loads(unseal(record))
        return Refusal(key, dependency, reason, message, at, tuple(_held(key, row) for row in beside), heals)
    except (TypeError, ValueError) as error:
        raise Damaged(f"its refusal cannot be decoded ({error})") from error


def _held(key: TriggerKey, row: Sequence[Any]) -> Held:
    dependency, digest, event_id, position, at, join, data = row
    return Held(key, dependency, digest, event_id, position, None if data is None else base64.b64decode(data), at, join)


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
