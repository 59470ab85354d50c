"""Cases made by running argo-events itself, and what runs them: `python -m tests.golden FILE…`.

A case says what argo-events does, oddities included. Where we decide otherwise, `deviations.yaml` says what we do and why.
"""
