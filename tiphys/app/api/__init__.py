"""The HTTP API: metrics, health, and the journal with its questions."""

from tiphys.app.api.server import Facts, serve_api

__all__ = ["Facts", "serve_api"]
