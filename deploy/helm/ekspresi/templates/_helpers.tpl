{{- define "ekspresi.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ekspresi.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ekspresi.labels" -}}
{{ include "ekspresi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "ekspresi.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "ekspresi.name" .) }}
{{- end -}}

{{/* The name that NATS's chart gives its service. */}}
{{- define "ekspresi.nats" -}}
{{- if contains "nats" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-nats" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ekspresi.natsUrl" -}}
{{- if .Values.connection.url -}}
{{- .Values.connection.url -}}
{{- else if .Values.nats.enabled -}}
{{- printf "nats://%s:4222" (include "ekspresi.nats" .) -}}
{{- else -}}
{{- fail "nats.enabled is false: name your NATS in connection.url, or its Secret in connection.secret" -}}
{{- end -}}
{{- end -}}

{{/* A duration such as `90s` or `1.5h` in seconds. */}}
{{- define "ekspresi.seconds" -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mulf (trimSuffix $unit . | float64) (get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400) $unit) | ceil | int -}}
{{- end -}}

{{/* Flags by which a worker logs in; files are those of `ekspresi.natsVolume`. */}}
{{- define "ekspresi.natsArgs" -}}
{{- range $flag, $key := dict "--creds" .creds "--nkey" .nkey "--tls-ca" .ca "--tls-cert" .cert "--tls-key" .key }}
{{- if $key }}
- {{ $flag }}
- /etc/nats/{{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "ekspresi.hasNatsFiles" -}}
{{- with .Values.connection.secret -}}
{{- if and .name (or .creds .nkey .ca .cert .key) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The pod of a worker. Takes a list: the root, the component's name, its values, its arguments (a list), and whether it has
the jobs' folder.
*/}}
{{- define "ekspresi.pod" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $own := index . 2 -}}
{{- $args := index . 3 -}}
{{- $data := index . 4 -}}
{{- $secret := $root.Values.connection.secret -}}
metadata:
  labels:
    {{- include "ekspresi.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  {{- if $root.Values.metrics.annotations }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9464"
    prometheus.io/path: /metrics
  {{- end }}
spec:
  serviceAccountName: {{ include "ekspresi.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $own.terminationGraceSeconds | default 30 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: worker
      image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- range $args }}
        - {{ . | toString | quote }}
        {{- end }}
        - "--metrics"
        - "0.0.0.0:9464"
        {{- if $secret.name }}
        {{- include "ekspresi.natsArgs" $secret | nindent 8 }}
        {{- end }}
      env:
        - name: NATS_URL
          {{- if and $secret.name $secret.url }}
          valueFrom:
            secretKeyRef:
              name: {{ $secret.name }}
              key: {{ $secret.url }}
          {{- else }}
          value: {{ include "ekspresi.natsUrl" $root | quote }}
          {{- end }}
        {{- with $own.variables }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: metrics
          containerPort: 9464
      livenessProbe:
        httpGet:
          path: /healthz
          port: metrics
        initialDelaySeconds: 10
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: metrics
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if $data }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- if include "ekspresi.hasNatsFiles" $root }}
        - name: nats
          mountPath: /etc/nats
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- if $data }}
    - name: data
      {{- if or $root.Values.data.existingClaim $root.Values.data.create }}
      persistentVolumeClaim:
        claimName: {{ $root.Values.data.existingClaim | default (printf "%s-data" (include "ekspresi.name" $root)) }}
      {{- else }}
      emptyDir:
        sizeLimit: {{ $root.Values.data.ephemeralSize }}
      {{- end }}
    {{- end }}
    {{- if include "ekspresi.hasNatsFiles" $root }}
    - name: nats
      secret:
        secretName: {{ $secret.name }}
        defaultMode: 288 # 0440
    {{- end }}
  {{- with $own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
