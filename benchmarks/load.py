"""A load generator for one HTTP endpoint: some connections, each sending its next request when the answer to the last is there.

It runs in a process of its own (`python -m benchmarks.load --port 12000 …`), prints one line of JSON, and is plain sockets and
epoll, so that the server is what is measured. Every request is a GitHub push of 8 KB with a valid signature and a fresh delivery id.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SECRET = b"benchmark"
_ROOT = Path(__file__).parent.parent


def push(size: int = 8192) -> bytes:
    """A push as GitHub sends it, of about `size` bytes."""
    commits: list[dict[str, object]] = []
    body: dict[str, object] = {
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "9f1c2d4e5f60718293a4b5c6d7e8f90123456789",
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "repository": {"id": 35129377, "name": "shop", "full_name": "acme/shop", "private": False, "size": 1024, "fork": False},
        "pusher": {"name": "emma", "email": "emma@example.test"},
        "commits": commits,
    }
    while len(json.dumps(body)) < size - 400:
        number = len(commits)
        commits.append(
            {
                "id": hashlib.sha1(str(number).encode()).hexdigest(),
                "distinct": True,
                "message": f"fix: rounding of VAT in line {number}\n\nCloses #{number}",
                "timestamp": "2026-11-24T10:00:00+01:00",
                "author": {"name": "Emma Ø", "email": "emma@example.test", "username": "emma"},
                "added": [f"src/invoice/rounding_{number}.py"],
                "removed": [],
                "modified": ["README.md", "pyproject.toml"],
            }
        )
    return json.dumps(body, ensure_ascii=False).encode()


def request(path: str, body: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the delivery id."""
    signature = hmac.new(SECRET, body, "sha256").hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: hooks.example.test\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Delivery: "
    )
    return head.encode(), b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: answers of 200 and others, seconds, and latencies in milliseconds."""

    good: int
    bad: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return self.good / self.seconds


def run(port: int, path: str, connections: int, seconds: float, run_id: str = "0") -> Load:
    """Put load on an endpoint of this machine."""
    before, after = request(path, push())
    selector = selectors.DefaultSelector()
    started: dict[socket.socket, float] = {}
    number = good = bad = 0
    latencies: list[float] = []

    def send(connection: socket.socket) -> None:
        nonlocal number
        number += 1
        connection.sendall(before + f"{run_id}-{number:012d}".encode() + after)
        started[connection] = time.perf_counter()

    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        send(connection)
    begin = time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select(end - now):
            connection = key.fileobj  # type: ignore[assignment]  # only sockets were registered
            answer = connection.recv(65536)
            if not answer:
                raise ConnectionError("the server closed a connection")
            if not answer.endswith(b"success"):
                bad += 1
            else:
                good += 1
            latencies.append(time.perf_counter() - started[connection])
            send(connection)
    elapsed = time.perf_counter() - begin
    selector.close()
    for connection in started:
        connection.close()
    latencies.sort()
    count = len(latencies)
    return Load(good, bad, elapsed, latencies[count // 2] * 1000, latencies[count * 99 // 100] * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/push")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--run", default="0", help="goes into the delivery ids, so that runs do not repeat each other's")
    asked = parser.parse_args()
    json.dump(asdict(run(asked.port, asked.path, asked.connections, asked.seconds, asked.run)), sys.stdout)


if __name__ == "__main__":
    main()
