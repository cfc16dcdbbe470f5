# Metrics from the functions' logs, and alerts for everything that needs a person.

locals {
  # Kinds of errors that only a person can remedy.
  _attention = ["connection_invalid", "credentials_rejected", "permission_denied", "secret_missing"]

  _functions = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in var.functions : "\"${name}\""])})"
  # Log lines by their `action` word.
  _metrics = {
    attention = { filter = "jsonPayload.action=\"sync_failed\" AND jsonPayload.kind=(${join(" OR ", [for kind in local._attention : "\"${kind}\""])})", label = "kind", description = "Connections whose credentials, permissions or settings were refused." }
    refused   = { filter = "jsonPayload.action=\"caller_refused\"", label = "status", description = "Callers of the HTTP function that were refused." }
    rejects   = { filter = "jsonPayload.action=\"record_rejected\"", label = "stream", description = "Records that could not be read." }
    runs      = { filter = "jsonPayload.action=\"run_closed\"", label = "status", description = "Runs that were closed." }
    untold    = { filter = "jsonPayload.action=\"changes_untold\"", label = "kind", description = "Changes that consumers could not be told of yet." }
    tasks     = { filter = "jsonPayload.action=\"task_finished\"", label = "status", description = "Connections' shares of runs." }
  }

  _channels = concat(
    [for channel in google_monitoring_notification_channel.email : channel.id],
    tolist(var.notification_channels),
  )
}

resource "google_logging_metric" "this" {
  for_each = local._metrics

  project          = var.project_id
  name             = "${var.name}-${each.key}"
  description      = each.value.description
  filter           = "${local._functions} AND ${each.value.filter}"
  label_extractors = { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    labels {
      key        = each.value.label
      value_type = "STRING"
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project_id
  display_name = "${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

# An alert on a metric is refused until Monitoring knows the metric.
resource "time_sleep" "metrics" {
  create_duration = "60s"
  triggers        = { for key, metric in google_logging_metric.this : key => metric.name }
}
