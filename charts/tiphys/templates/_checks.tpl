{{- /* What cannot work is refused here, in words. The shape of values is values.schema.json's. */ -}}
{{- define "tiphys.checks" -}}
{{- $v := .Values -}}
{{- if not $v.image.repository -}}
{{- fail "\n\nimage.repository is empty: there is no public image. Build one from the Dockerfile, push it to a registry of yours and say where it is:\n\n    docker build -t registry.example/tools/tiphys:0.1.0 . && docker push registry.example/tools/tiphys:0.1.0\n    helm install … --set image.repository=registry.example/tools/tiphys\n" -}}
{{- end -}}
{{- if gt (int $v.replicas) 1 -}}
{{- fail (printf "\n\nreplicas is %d: the embedded bus is one file on one volume, and two processes on it would lose or double events. Leave replicas at 1; a pod that dies is replaced, and goes on where it stopped.\n" (int $v.replicas)) -}}
{{- end -}}
{{- if and $v.persistence.enabled (not $v.persistence.existingClaim) (regexMatch "(?i)(^|[-_.])(nfs|efs|cephfs|azurefile|glusterfs|smb|cifs|filestore)([-_.]|$)" $v.persistence.storageClass) -}}
{{- fail (printf "\n\npersistence.storageClass is %q, which sounds like a network file system: the log must be on a block volume, since locks and fsync of such file systems do not hold what SQLite needs. Choose a block class, or make the claim yourself and name it in persistence.existingClaim.\n" $v.persistence.storageClass) -}}
{{- end -}}
{{- $drain := dig "drain" 10 $v.settings | float64 -}}
{{- $needed := addf (mulf 2.0 $drain) 10.0 | ceil | int -}}
{{- if lt (int $v.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds is %d: with settings.drain %v a stop may take %d seconds (requests, then triggers, then closing). Give it at least that.\n" (int $v.terminationGracePeriodSeconds) $drain $needed) -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- fail "\n\ningress.enabled without ingress.hosts: name at least one host.\n" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
{{- fail "\n\ngateway.enabled without gateway.parentRefs: name the Gateway that the route belongs to.\n" -}}
{{- end -}}
{{- if and $v.admissionWebhook.certManager.enabled (not $v.admissionWebhook.certManager.issuerRef.name) -}}
{{- fail "\n\nadmissionWebhook.certManager.enabled without issuerRef.name: name the Issuer or ClusterIssuer of cert-manager.\n" -}}
{{- end -}}
{{- if has "*" $v.namespaces -}}
{{- fail "\n\nnamespaces has \"*\": leave the list empty to watch the whole cluster.\n" -}}
{{- end -}}
{{- range $v.rbac.rules -}}
{{- if or (has "*" (default list .apiGroups)) (has "*" (default list .resources)) (has "*" (default list .verbs)) -}}
{{- fail "\n\nrbac.rules has a \"*\": name the API groups, resources and verbs that are needed.\n" -}}
{{- end -}}
{{- end -}}
{{- range $v.service.extraPorts -}}
{{- if or (eq (int .port) 7777) (eq (int .port) (int $v.service.port)) (eq (int .port) 9443) (eq (int .port) 12000) -}}
{{- fail (printf "\n\nservice.extraPorts has port %d, which is taken: 12000 is the shared port, 7777 the API's, 9443 the admission webhook's.\n" (int .port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
