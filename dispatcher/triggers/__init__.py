"""One file a trigger: its spec and its code. Importing this package registers them all."""
