"""Where manifests come from: one file an origin."""

from tiphys.app.origins.origin import Key, Origin, Sink

__all__ = ["Key", "Origin", "Sink"]
