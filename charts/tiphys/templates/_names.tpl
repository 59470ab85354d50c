{{- define "tiphys.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "tiphys.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "tiphys.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tiphys.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tiphys.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tiphys.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tiphys.selector" -}}
app.kubernetes.io/name: {{ include "tiphys.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tiphys.labels" -}}
{{ include "tiphys.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tiphys.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "tiphys.webhookName" -}}
{{ .Release.Namespace }}-{{ include "tiphys.fullname" . }}
{{- end -}}

{{- define "tiphys.webhookHost" -}}
{{ include "tiphys.fullname" . }}-webhook.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* The settings file: what the chart knows of the platform, over it nothing, under it `settings`. */ -}}
{{- define "tiphys.settings" -}}
{{- $own := dict "data" "/var/lib/tiphys" "ingress_port" 12000 "api_port" 7777 "api_remote" .Values.api.remote "impersonate" .Values.rbac.impersonate -}}
{{- if .Values.admissionWebhook.enabled -}}
{{- $_ := set $own "webhook" true -}}
{{- $_ := set $own "webhook_port" 9443 -}}
{{- if .Values.admissionWebhook.certManager.enabled -}}
{{- $_ := set $own "webhook_certificates" "/etc/tiphys/webhook" -}}
{{- else -}}
{{- $_ := set $own "webhook_names" (list (include "tiphys.webhookHost" .)) -}}
{{- $_ := set $own "webhook_configuration" (include "tiphys.webhookName" .) -}}
{{- end -}}
{{- end -}}
{{- if .Values.namespaces -}}{{- $_ := set $own "namespaces" .Values.namespaces -}}{{- end -}}
{{- if .Values.api.existingSecret -}}{{- $_ := set $own "api_token_file" "/etc/tiphys/api/token" -}}{{- end -}}
{{- toYaml (merge $own .Values.settings (dict "host" "0.0.0.0" "api_host" "0.0.0.0")) -}}
{{- end -}}
