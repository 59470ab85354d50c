"""Names of Argo Workflows (workflow/common/common.go)."""

from __future__ import annotations

from typing import Final

API_VERSION: Final = "argoproj.io/v1alpha1"

_GROUP: Final = "workflows.argoproj.io"
CREATOR: Final = (f"{_GROUP}/creator", f"{_GROUP}/creator-email", f"{_GROUP}/creator-preferred-username")
ACTOR: Final = (f"{_GROUP}/actor", f"{_GROUP}/actor-email", f"{_GROUP}/actor-preferred-username", f"{_GROUP}/action")
COMPLETED: Final = f"{_GROUP}/completed"
PHASE: Final = f"{_GROUP}/phase"
ARCHIVING: Final = f"{_GROUP}/workflow-archiving-status"
PREVIOUS: Final = f"{_GROUP}/resubmitted-from-workflow"
CRON_WORKFLOW: Final = f"{_GROUP}/cron-workflow"
TEMPLATE: Final = f"{_GROUP}/workflow-template"
CLUSTER_TEMPLATE: Final = f"{_GROUP}/cluster-workflow-template"
INSTANCE: Final = f"{_GROUP}/controller-instanceid"
SCHEDULED: Final = f"{_GROUP}/scheduled-time"
POD_NAMES: Final = f"{_GROUP}/pod-name-format"
