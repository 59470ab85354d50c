"""Measures, each as a ratio within one run."""
