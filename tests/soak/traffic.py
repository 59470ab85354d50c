"""Signed GitHub deliveries and a pair of webhooks, sent over and over; what was acknowledged is written down."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
from dataclasses import dataclass, field

import aiohttp

SECRET = b"soak-secret"
SECRET_OBJECT = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"secret": SECRET.decode()}}
MANIFESTS = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: forge, namespace: argo}
spec:
  github:
    push:
      repositories: [{owner: acme, names: [shop]}]
      webhook: {endpoint: /push, port: "12000", method: POST}
      webhookSecret: {name: hook, key: secret}
    release:
      repositories: [{owner: acme, names: [shop]}]
      webhook: {endpoint: /release, port: "12000", method: POST}
      webhookSecret: {name: hook, key: secret}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: one, namespace: argo, annotations: {run: "RUN"}}
spec:
  dependencies:
  - {name: push, eventSourceName: forge, eventName: push}
  triggers:
  - template:
      name: note
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}, data: {delivery: ""}}
        parameters:
        - {src: {dependencyName: push, dataKey: body.delivery}, dest: data.delivery}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: pair, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: forge, eventName: push}
  - {name: release, eventSourceName: forge, eventName: release}
  triggers:
  - template:
      name: both
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: both-}, data: {push: "", release: ""}}
        parameters:
        - {src: {dependencyName: push, dataKey: body.delivery}, dest: data.push}
        - {src: {dependencyName: release, dataKey: body.delivery}, dest: data.release}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: scripted, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: forge, eventName: push, filters: {script: "return event.body.delivery ~= nil"}}
  triggers:
  - once: {key: "{{ .push.body.delivery }}"}
    template:
      name: script
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: script-}, data: {delivery: ""}}
        parameters:
        - {src: {dependencyName: push, dataKey: body.delivery}, dest: data.delivery}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: batched, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: forge, eventName: push}
  triggers:
  - batch: {size: 40, wait: 40ms}
    order: strict
    rateLimit: {requestsPerUnit: 200}
    template:
      name: batch
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: batch-}, data: {deliveries: ""}}
        parameters:
        - {src: {dependencyName: push, all: true, dataKey: "#.body.delivery"}, dest: data.deliveries}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock, namespace: argo}
spec:
  calendar:
    second: {interval: 1s}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ticks, namespace: argo}
spec:
  dependencies:
  - {name: tick, eventSourceName: clock, eventName: second}
  triggers:
  - template:
      name: tick
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: tick-}, data: {at: ""}}
        parameters:
        - {src: {dependencyName: tick, dataKey: eventTime}, dest: data.at}
"""


@dataclass
class Sent:
    """Deliveries by what the sender knows of them: `acknowledged` got a 2xx, `tried` at least one attempt."""

    acknowledged: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)


class Traffic:
    """Senders that share one list of deliveries. An attempt that fails is made again with the same id, as a forge does it, or given up."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.random = random.Random(seed)
        self.sent = Sent()
        self._again: list[str] = []
        self._number = 0

    def _next(self) -> str:
        if self._again and self.random.random() < 0.7:
            return self._again.pop(0)
        self._number += 1
        return f"{'push' if self._number % 3 else 'release'}-{self._number}"

    async def flow(self, senders: int = 6) -> None:
        """Send until cancelled or until the service is gone."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session, asyncio.TaskGroup() as group:
            for _ in range(senders):
                group.create_task(self._send(session))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while True:
            delivery = self._next()
            if not await self._deliver(session, delivery):
                return
            await asyncio.sleep(self.random.random() * 0.01)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: str) -> bool:
        kind = delivery.split("-", maxsplit=1)[0]
        body = json.dumps({"delivery": delivery, "ref": "refs/heads/main"}).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        }
        self.sent.tried.add(delivery)
        try:
            async with session.post(f"http://127.0.0.1:{self.port}/{kind}", data=body, headers=headers) as answer:
                await answer.read()
                if answer.status == 200:
                    self.sent.acknowledged.add(delivery)
                    return True
                if answer.status != 503:
                    raise AssertionError(f"{answer.status} for {delivery}: {await answer.text()}")
        except (aiohttp.ClientError, TimeoutError, OSError):
            if self.random.random() < 0.8:
                self._again.append(delivery)
            return False
        self._again.append(delivery)
        await asyncio.sleep(0.05)
        return True
