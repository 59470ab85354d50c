"""`tiphys import`: what an installation of argo-events, WorkflowEventBindings and CronWorkflows becomes here."""

from tiphys.app.moving.planning import plan_move
from tiphys.app.moving.reading import read_cluster, read_files
from tiphys.app.moving.remarks import Moved, Remark
from tiphys.app.moving.reporting import print_move, write_manifests

__all__ = ["Moved", "Remark", "plan_move", "print_move", "read_cluster", "read_files", "write_manifests"]
