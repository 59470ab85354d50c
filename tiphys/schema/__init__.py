"""What manifests are made of: the YAML loader, the model base, field errors, references to secrets, back-off, TLS."""
