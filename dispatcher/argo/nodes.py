"""The nodes of a Workflow's status, which the controller compresses where they are large (workflow/packer) and may keep in a database."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tiphys.clients.kube import KubeObject
from tiphys.errors import TriggerError

__all__ = ["Nodes", "compressed", "is_compressed", "nodes_of", "now"]

Nodes = dict[str, dict[str, Any]]
_MOST: Final = 256 * 1024 * 1024


def now() -> str:
    """This moment, as the API writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_compressed(status: Mapping[str, Any]) -> bool:
    """Whether the nodes are kept compressed."""
    return not status.get("nodes") and bool(status.get("compressedNodes"))


def nodes_of(workflow: KubeObject) -> Nodes:
    """The nodes by id. Raises `TriggerError` `NodesOutOfReach` for those that only the controller's database has, or that cannot be
    read."""
    status = workflow.get("status") or {}
    if status.get("offloadNodeStatusVersion"):
        where = "the nodes of this Workflow are in the database of Argo Workflows (offloaded), which only the Argo Server can read"
        raise TriggerError("NodesOutOfReach", f"{where}; use argo itself, or switch offloading off")
    if not is_compressed(status):
        return dict(status.get("nodes") or {})
    try:
        inflate = zlib.decompressobj(wbits=31)
        text = inflate.decompress(base64.b64decode(status["compressedNodes"]), _MOST)
        found = orjson.loads(text)
    except (binascii.Error, zlib.error, orjson.JSONDecodeError, ValueError) as error:
        raise TriggerError("NodesOutOfReach", f"the nodes of this Workflow are not compressed with gzip: {error}") from error
    if not isinstance(found, dict):
        raise TriggerError("NodesOutOfReach", "the nodes of this Workflow are no map")
    return found


def compressed(nodes: Nodes) -> str:
    """As the controller writes them."""
    return base64.b64encode(gzip.compress(orjson.dumps(nodes), mtime=0)).decode()
