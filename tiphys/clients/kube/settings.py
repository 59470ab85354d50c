"""What the Kubernetes client can be told, grouped by subject, with the reason for each default."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KubeSettings"]


@dataclass(frozen=True, slots=True)
class KubeSettings:
    """Limits of a connection to one API server. Times are in seconds, sizes in bytes.

    Calls
        `connect_timeout`: name lookup, TCP and TLS together; past it nothing was done there.
        `timeout`: a whole call, with every retry of a read in it.
        `attempts`: tries of a read; writes are sent once.
        `connections`: calls in flight at once; watches do not count. The rest wait, within their own time limit.
        `unacknowledged`: how long sent bytes may stay unacknowledged by the peer's TCP before the connection counts as dead.
    Back-off
        `retry_first`, `retry_most`: first and longest pause between tries; doubling, with jitter.
        `pause_default`, `pause_most`: what a 429 without `Retry-After` means at first, and the longest pause that is believed.
    Discovery
        `rediscover`: an unknown kind asks the server again at most this often (per group and version).
    Lists and watches
        `page`: objects per page. 200 Workflows of 20 KB parse in the 10 ms that the event loop can spare.
        `watch_lifetime`: what a watch asks for; the server ends it after one to two times this, so that load spreads over replicas.
        `lived`: a stream that ended after this was no failure; one that ended sooner is backed off from.
        `silence`: a watch without a byte for so long is opened again. Bookmarks come every 60 s.
        `longest_line`: one event of a watch. etcd takes 1.5 MiB, some installations 3 MiB.
    Credentials
        `reread`: how often a token file is read again. The kubelet replaces it an hour before it expires.
        `renew_pause`: after a 401 credentials are fetched again, but not more often than this.
        `plugin_timeout`: an exec or auth-provider plugin; less than `timeout`, so that a call can still be made.
    """

    connect_timeout: float = 5.0
    timeout: float = 30.0
    attempts: int = 5
    connections: int = 100
    unacknowledged: float = 15.0

    retry_first: float = 0.1
    retry_most: float = 30.0
    pause_default: float = 1.0
    pause_most: float = 60.0

    rediscover: float = 5.0

    page: int = 200
    watch_lifetime: float = 300.0
    lived: float = 5.0
    silence: float = 90.0
    longest_line: int = 16 * 1024 * 1024

    reread: float = 60.0
    renew_pause: float = 5.0
    plugin_timeout: float = 25.0
