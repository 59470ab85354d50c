"""Parameters: values from events, put into objects, templates and request bodies (reference 6.3 and 6.4)."""

from dispatcher.parameters.apply import apply, construct_payload
from dispatcher.parameters.manifest import PayloadParameter, TriggerParameter, TriggerParameterSource, notices
from dispatcher.parameters.resolve import Resolved, resolve, resolve_parameter

__all__ = [
    "PayloadParameter",
    "Resolved",
    "TriggerParameter",
    "TriggerParameterSource",
    "apply",
    "construct_payload",
    "notices",
    "resolve",
    "resolve_parameter",
]
