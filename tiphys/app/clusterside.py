"""What the service does for a cluster beside its work: status, Events, accounts, adoption, Services, the admission
webhook.

None of it holds the work up: each part has its own loop, and is away when the API server is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from eventsource.room import Room
from tiphys.app.adoption import Adoption
from tiphys.app.announcing import Announcer
from tiphys.app.catalog import Catalog, Key
from tiphys.app.eventservices import EventServices
from tiphys.app.following import Follower, Left
from tiphys.app.identity import Accounts
from tiphys.app.observing import Acting
from tiphys.app.origins import ClusterOrigin, Origin, StatusWriter
from tiphys.app.reporting import Reporter
from tiphys.app.settings import Settings
from tiphys.clients.kube import Kube

__all__ = ["BUSES", "Work", "adoption_for", "open_cluster_side"]

BUSES: Final = "cluster (event buses)"
"""The origin of EventBus objects, which the service does not wait for."""

Work = tuple[Coroutine[Any, Any, None], str]
"""A loop that runs until the service ends, and its name."""


def adoption_for(settings: Settings, kube: Kube) -> Adoption | None:
    """Whose objects are run; `None` where all are ours: there is no argo-events beside the embedded API."""
    return None if settings.local else Adoption(kube, settings.adopt, settings.namespaces or None)


@asynccontextmanager
async def open_cluster_side(
    settings: Settings,
    kube: Kube,
    catalog: Catalog,
    room: Room,
    accounts: Accounts,
    acting: Acting,
    adoption: Adoption | None,
    followers: Mapping[Origin, Follower],
    services: EventServices | None,
) -> AsyncIterator[Sequence[Work]]:
    """Open all of it; yields the loops to run. Raises `SettingsError` for a webhook that cannot be opened."""
    async with AsyncExitStack() as stack:
        announcer = Announcer(kube)
        status = await stack.enter_async_context(StatusWriter(kube, written=announcer.conditions))
        clusters = [follower for origin, follower in followers.items() if isinstance(origin, ClusterOrigin)]
        labels = {BUSES, *(origin.label for origin in followers if isinstance(origin, ClusterOrigin))}

        def left() -> Mapping[Key, Left]:
            return {key: found for follower in clusters for key, found in follower.left.items()}

        reporter = Reporter(catalog, room, status, announcer, labels, accounts.problem, left)
        if services is not None:
            catalog.on_change(services.changed)
        acting.on_dead = reporter.dead
        if settings.webhook:
            await stack.enter_async_context(_webhook(settings, kube, adoption))
        work: list[Work] = [(reporter.run(), "status"), (announcer.run(), "events"), (accounts.run(), "accounts")]
        if adoption is not None:
            work.append((adoption.run(), "adoption"))
        if services is not None:
            work.append((services.run(), "services"))
        yield work


@asynccontextmanager
async def _webhook(settings: Settings, kube: Kube, adoption: Adoption | None) -> AsyncIterator[int]:
    from tiphys.app.webhook import CertificateFiles, Reviewer, SelfMade, open_webhook  # noqa: PLC0415  only who asks for it pays

    ours = (lambda obj: adoption.verdict(obj).ours) if adoption is not None else (lambda _: True)
    reviewer = Reviewer(strict=settings.strict, ours=ours)
    if settings.webhook_certificates is not None:
        async with open_webhook(
            reviewer, CertificateFiles(settings.webhook_certificates), settings.host, settings.webhook_port
        ) as port:
            yield port
        return
    made = SelfMade(settings.data / "webhook", settings.webhook_names, kube, settings.webhook_configuration)
    async with open_webhook(reviewer, made, settings.host, settings.webhook_port) as port:
        yield port
