"""The Kubernetes API, for more than one room."""

from tiphys.clients.kube.acting import Account, AccountSecrets, ActingAs, ImpersonationForbidden
from tiphys.clients.kube.api import Kube, KubeObject, Listing, OnWatchTrouble, Resource, WatchEvent
from tiphys.clients.kube.connection import connect
from tiphys.clients.kube.secrets import KubeSecrets
from tiphys.clients.kube.settings import KubeSettings
from tiphys.clients.kube.troubles import OnTrouble, Trouble

__all__ = [
    "Account",
    "AccountSecrets",
    "ActingAs",
    "ImpersonationForbidden",
    "Kube",
    "KubeObject",
    "KubeSecrets",
    "KubeSettings",
    "Listing",
    "OnTrouble",
    "OnWatchTrouble",
    "Resource",
    "Trouble",
    "WatchEvent",
    "connect",
]
