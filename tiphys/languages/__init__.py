"""The small languages of manifests: pure functions, no input or output, each compiled once and run often."""
