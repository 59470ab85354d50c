"""The kinds that the embedded API serves: one table.

A row says what discovery prints and what the rules differ by: whether a kind has a `status` subresource, whether its `generation`
counts, whether a PUT needs a resourceVersion. Kinds of Argo are CustomResourceDefinitions, as in a cluster: `CUSTOM` seeds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["BUILTIN", "CUSTOM", "NAMESPACES", "Column", "Kind", "definition", "kinds_of"]

NAMESPACES: Final = ("default", "kube-system", "argo")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`: `path` is a dotted path into the object; type `date` prints an age; priority 1 is `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as it is served in one version. `storage` is the key of its objects, shared by its versions.

    `status`: has the subresource; `generation`: metadata.generation counts changes of the specification; `unconditional`: a PUT
    without resourceVersion is taken; `custom`: defined by a CustomResourceDefinition; `names`: what a name may look like
    (`subdomain`, `label` or `path`); `fields`: field selectors beside metadata.name and metadata.namespace; `converts`: the
    definition serves several versions, so stored objects get the apiVersion that was asked for; `review`: a question that is answered
    and never stored, so that it can only be created.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    generation: bool = False
    unconditional: bool = True
    custom: bool = False
    names: str = "subdomain"
    fields: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    list_kind: str = ""
    converts: bool = False
    review: bool = False

    @property
    def storage(self) -> str:
        """The key under which objects of all versions are kept."""
        return f"{self.group}/{self.plural}"

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def lists(self) -> str:
        """The kind of a list."""
        return self.list_kind or f"{self.kind}List"

    @property
    def one(self) -> str:
        """The singular name, for `kubectl get pod`."""
        return self.singular or self.kind.lower()


_PHASE: Final = Column("Status", "status.phase")
_EVENT_FIELDS: Final = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_RBAC: Final = "rbac.authorization.k8s.io"
_CRD: Final = "apiextensions.k8s.io"

BUILTIN: Final = (
    Kind(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short=("ns",),
        status=True,
        names="label",
        fields=("status.phase",),
        columns=(_PHASE,),
    ),
    Kind(
        "",
        "v1",
        "pods",
        "Pod",
        short=("po",),
        categories=("all",),
        status=True,
        fields=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ),
        columns=(_PHASE,),
    ),
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Kind("", "v1", "secrets", "Secret", fields=("type",), columns=(Column("Type", "type"),)),
    Kind(
        "",
        "v1",
        "services",
        "Service",
        short=("svc",),
        categories=("all",),
        status=True,
        names="label",
        fields=("spec.clusterIP", "spec.type"),
        columns=(Column("Type", "spec.type"), Column("Cluster-IP", "spec.clusterIP")),
    ),
    Kind("", "v1", "endpoints", "Endpoints", short=("ep",)),
    Kind(
        "",
        "v1",
        "events",
        "Event",
        short=("ev",),
        fields=_EVENT_FIELDS,
        columns=(
            Column("Last Seen", "lastTimestamp", "date"),
            Column("Type", "type"),
            Column("Reason", "reason"),
            Column("Object", "involvedObject.name"),
            Column("Message", "message"),
        ),
    ),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Kind("", "v1", "nodes", "Node", namespaced=False, short=("no",), status=True, fields=("spec.unschedulable",)),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",), status=True, columns=(_PHASE,)),
    Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short=("pv",), status=True, columns=(_PHASE,)),
    Kind("", "v1", "resourcequotas", "ResourceQuota", short=("quota",), status=True),
    Kind("", "v1", "limitranges", "LimitRange", short=("limits",)),
    Kind("apps", "v1", "deployments", "Deployment", short=("deploy",), categories=("all",), status=True, generation=True),
    Kind("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), categories=("all",), status=True, generation=True),
    Kind("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), categories=("all",), status=True, generation=True),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), categories=("all",), status=True, generation=True),
    Kind("batch", "v1", "jobs", "Job", categories=("all",), status=True, generation=True, fields=("status.successful",)),
    Kind("batch", "v1", "cronjobs", "CronJob", short=("cj",), categories=("all",), status=True, generation=True),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation=True),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", columns=(Column("Holder", "spec.holderIdentity"),)),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", short=("ing",), status=True, generation=True),
    Kind(
        "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", singular="networkpolicy", short=("netpol",), generation=True
    ),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",), status=True, generation=True),
    Kind(_RBAC, "v1", "roles", "Role", names="path"),
    Kind(_RBAC, "v1", "rolebindings", "RoleBinding", names="path", columns=(Column("Role", "roleRef.name"),)),
    Kind(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, names="path"),
    Kind(
        _RBAC,
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
        names="path",
        columns=(Column("Role", "roleRef.name"),),
    ),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        generation=True,
    ),
    Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, review=True),
    Kind(
        _CRD,
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short=("crd", "crds"),
        categories=("api-extensions",),
        status=True,
        generation=True,
        unconditional=False,
    ),
)


def definition(
    kind: str,
    plural: str,
    short: tuple[str, ...] = (),
    *,
    namespaced: bool = True,
    status: bool = False,
    columns: tuple[Column, ...] = (),
    api_version: str = "argoproj.io/v1alpha1",
) -> dict[str, Any]:
    """A CustomResourceDefinition, in the minimal form that Argo's own install manifests have."""
    group, _, name = api_version.partition("/")
    version: dict[str, Any] = {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    if status:
        version["subresources"] = {"status": {}}
    if columns:
        version["additionalPrinterColumns"] = [{"name": c.name, "type": c.type, "jsonPath": f".{c.path}"} for c in columns]
    names: dict[str, Any] = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    if short:
        names["shortNames"] = list(short)
    return {
        "apiVersion": f"{_CRD}/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced" if namespaced else "Cluster", "versions": [version]},
    }


_TEKTON: Final = "tekton.dev/v1"
_CONDITION: Final = 'status.conditions[?(@.type=="{}")].status'
_AGE: Final = Column("Age", "metadata.creationTimestamp", "date")


def _conditions(*types: str) -> tuple[Column, ...]:
    return (*(Column(name, _CONDITION.format(name)) for name in types), _AGE)


CUSTOM: Final = (
    definition("EventSource", "eventsources", ("es",), status=True, columns=_conditions("Ready", "Listening")),
    definition("Sensor", "sensors", ("sn",), status=True, columns=_conditions("Ready", "Acting")),
    definition("EventBus", "eventbus", ("eb",), status=True, columns=_conditions("Configured", "Deployed")),
    definition(
        "Workflow",
        "workflows",
        ("wf",),
        columns=(_PHASE, _AGE, Column("Message", "status.message")),
    ),
    definition("WorkflowTemplate", "workflowtemplates", ("wftmpl",)),
    definition("ClusterWorkflowTemplate", "clusterworkflowtemplates", ("clusterwftmpl", "cwft"), namespaced=False),
    definition("CronWorkflow", "cronworkflows", ("cwf", "cronwf")),
    definition("Pipeline", "pipelines", api_version=_TEKTON),
    definition("Task", "tasks", api_version=_TEKTON),
    definition("PipelineRun", "pipelineruns", ("pr", "prs"), status=True, columns=(_AGE,), api_version=_TEKTON),
    definition("TaskRun", "taskruns", ("tr", "trs"), status=True, columns=(_AGE,), api_version=_TEKTON),
)


def kinds_of(crd: Mapping[str, Any]) -> Iterator[Kind]:
    """The kinds that a CustomResourceDefinition defines, one for each served version. The definition has been validated."""
    spec = crd["spec"]
    names = spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    for version in served:
        columns = tuple(
            Column(c["name"], c["jsonPath"].removeprefix("."), c.get("type", "string"), c.get("priority", 0))
            for c in version.get("additionalPrinterColumns") or ()
        )
        yield Kind(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            singular=names.get("singular") or names["kind"].lower(),
            short=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            status="status" in (version.get("subresources") or {}),
            generation=True,
            unconditional=False,
            custom=True,
            fields=tuple(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ()),
            columns=columns,
            list_kind=names.get("listKind") or "",
            converts=len(spec["versions"]) > 1,
        )
