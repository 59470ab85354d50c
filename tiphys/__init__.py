"""Tiphys: events from Git, schedules, object stores and webhooks become Workflows, and none of them is lost."""
