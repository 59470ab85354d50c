"""HTTP in: one table of listeners and routes; limits before hashing before parsing."""

from eventsource.ingress.limits import Limits
from eventsource.ingress.observer import Observer, Unobserved
from eventsource.ingress.routes import Age, Binding, Owner, compile_path, normal_path
from eventsource.ingress.server import SHARED_PORT, Ingress, IngressSettings
from eventsource.ingress.signatures import SCHEMES

__all__ = [
    "SCHEMES",
    "SHARED_PORT",
    "Age",
    "Binding",
    "Ingress",
    "IngressSettings",
    "Limits",
    "Observer",
    "Owner",
    "Unobserved",
    "compile_path",
    "normal_path",
]
