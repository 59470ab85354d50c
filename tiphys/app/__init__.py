"""The roof: settings, wiring, manifests' origins, the command line and the HTTP API."""
