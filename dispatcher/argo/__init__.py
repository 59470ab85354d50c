"""What the CLI of Argo Workflows does to objects, done through the Kubernetes API. Followed: argo-workflows 4.1.2 (3.6 does the same)."""

from dispatcher.argo.changing import resume, shutdown, suspend
from dispatcher.argo.making import apply_options, check_required, from_cron_workflow, from_template, resubmitted
from dispatcher.argo.options import OPERATIONS, Options, parse_options
from dispatcher.argo.retrying import Retried, retried

__all__ = [
    "OPERATIONS",
    "Options",
    "Retried",
    "apply_options",
    "check_required",
    "from_cron_workflow",
    "from_template",
    "parse_options",
    "resubmitted",
    "resume",
    "retried",
    "shutdown",
    "suspend",
]
