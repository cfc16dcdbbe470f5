# Metrics from the functions' logs, and alerts for everything that needs a person.

locals {
  _functions = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in var.functions : "\"${name}\""])})"

  # Log lines by their `action` word (docs/operating.md lists them), and the fields that name the finding. The
  # lines `fleet_marketplace` and `connection_needs_attention` are written at each tick while their cause lasts.
  _metrics = {
    attention = { filter = "jsonPayload.action=\"connection_needs_attention\"", labels = ["connection_id", "marketplace", "kind"], description = "Connections that only a person can help, counted at each tick." }
    down      = { filter = "jsonPayload.action=\"fleet_marketplace\" AND jsonPayload.failing_ticks>=${var.failing_ticks}", labels = ["marketplace"], description = "Marketplaces most of whose tasks failed in several ticks, counted at each tick." }
    late      = { filter = "jsonPayload.action=\"fleet_marketplace\" AND jsonPayload.late>0", labels = ["marketplace"], description = "Marketplaces with late connections, counted at each tick." }
    refused   = { filter = "jsonPayload.action=\"caller_refused\"", labels = ["caller", "reason", "status"], description = "Callers of the HTTP function that were refused." }
    rejects   = { filter = "jsonPayload.action=\"record_rejected\"", labels = ["marketplace", "stream"], description = "Records that could not be stored; each is counted once." }
    runs      = { filter = "jsonPayload.action=\"run_closed\"", labels = ["status"], description = "Runs that were closed." }
    tasks     = { filter = "jsonPayload.action=\"task_finished\"", labels = ["status"], description = "Connections' shares of runs." }
    ticks     = { filter = "jsonPayload.action=\"run_accepted\" AND jsonPayload.trigger=\"scheduler\"", labels = ["trigger"], description = "Ticks of the schedule that the HTTP function accepted." }
    untold    = { filter = "jsonPayload.action=\"changes_untold\"", labels = ["kind"], description = "Changes that consumers could not be told of yet." }
    # Cloud Run's own lines (cloud.google.com/run/docs/troubleshooting).
    memory = { filter = "log_id(\"run.googleapis.com/varlog/system\") AND textPayload=~\"Memory limit of .* exceeded|using too much memory\"", labels = [], description = "Instances that were ended because they used too much memory." }
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
  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
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

# An alert on a metric is refused until Monitoring knows the metric: "it could take up to 10 minutes", and the provider
# does not try again (github.com/hashicorp/terraform-provider-google/issues/11102). So the first apply, and one that adds
# a metric, waits a minute longer than that.
resource "time_sleep" "metrics" {
  create_duration = "660s"
  triggers        = { for key, metric in google_logging_metric.this : key => metric.name }
}
