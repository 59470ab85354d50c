"""One file a source: its spec and its code. Importing this package registers them all."""
