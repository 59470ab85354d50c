"""The Kubernetes API, for more than one room."""

from tiphys.clients.kube.api import Kube, KubeObject, Listing, Resource, WatchEvent

__all__ = ["Kube", "KubeObject", "Listing", "Resource", "WatchEvent"]
