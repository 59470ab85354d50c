"""The kubeconfig of the embedded API."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote, urlsplit

__all__ = ["USER", "kubeconfig"]

USER: Final = "tiphys"


def kubeconfig(url: str, token: str, namespace: str = "default") -> str:
    """A kubeconfig (YAML) for an embedded API at `url` (`http://127.0.0.1:16443`).

    The token is the password in the server's URL, because client-go sends a user's token over TLS only, and the URL's password always; a
    user with a token as well would make aiohttp refuse the request for having two.
    """
    parts = urlsplit(url)
    server = f"{parts.scheme}://{USER}:{quote(token, safe='')}@{parts.netloc}{parts.path.rstrip('/')}"
    return f"""\
apiVersion: v1
kind: Config
current-context: tiphys
clusters:
- name: tiphys
  cluster:
    server: {json.dumps(server)}
contexts:
- name: tiphys
  context:
    cluster: tiphys
    user: tiphys
    namespace: {json.dumps(namespace)}
users:
- name: tiphys
  user: {{}}
"""
