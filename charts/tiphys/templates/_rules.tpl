{{- /* What Tiphys' own account may do in the namespaces that it watches. docs/install.md says what each is for. */ -}}
{{- define "tiphys.rules" -}}
{{- $rbac := .Values.rbac -}}
- apiGroups: [argoproj.io]
  resources: [eventbus, eventsources, sensors]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [eventbus/status, eventsources/status, sensors/status]
  verbs: [patch]
- apiGroups: [argoproj.io]
  resources: [workflowtemplates]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [workflows]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, get, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
  {{- with $rbac.secretNames }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if .Values.eventSourceServices }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, create, patch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, create, patch, delete]
{{- end }}
{{- if $rbac.impersonate }}
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [impersonate]
  {{- with $rbac.impersonateAccounts }}
  resourceNames: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- else }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [workflows]
  verbs: [get, create, update, patch, delete]
{{- end }}
{{- with $rbac.rules }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tiphys.submitRules" -}}
- apiGroups: [argoproj.io]
  resources: [workflows]
  verbs: [get, create]
- apiGroups: [argoproj.io]
  resources: [workflowtemplates]
  verbs: [get]
{{- end -}}
