"""Where manifests come from: a cluster, files and folders; and the way back, conditions in an object's status."""

from tiphys.app.origins.cluster import ClusterOrigin
from tiphys.app.origins.files import FilesOrigin
from tiphys.app.origins.origin import Change, Faults, Origin
from tiphys.app.origins.status import Condition, OnWritten, StatusWriter

__all__ = ["Change", "ClusterOrigin", "Condition", "Faults", "FilesOrigin", "OnWritten", "Origin", "StatusWriter"]
