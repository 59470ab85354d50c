"""The embedded Kubernetes API: small, truthful, persistent, for one laptop and for CI; never a production server."""
