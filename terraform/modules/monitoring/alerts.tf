locals {
  _metric       = { for key, name in time_sleep.metrics.triggers : key => "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${name}\"" }
  _subscription = "resource.type = \"pubsub_subscription\" AND metric.type = \"pubsub.googleapis.com/subscription"

  alerts = {
    no-successful-run = {
      title      = "no run succeeded in two intervals"
      severity   = "CRITICAL"
      filter     = "${local._metric.runs} AND metric.labels.status = one_of(\"succeeded\", \"partial\")"
      comparison = "COMPARISON_LT"
      threshold  = 1
      align      = "ALIGN_SUM"
      reduce     = "REDUCE_SUM"
      period     = "${var.no_success_minutes * 60}s"
      # No data means that nothing ran at all.
      duration = "60s"
      missing  = "EVALUATION_MISSING_DATA_ACTIVE"
      action   = "`marketplace-sync runs list` shows the last runs. None at all: look at the Cloud Scheduler job and at the log of the HTTP function."
    }
    dead-tasks = {
      title      = "messages were given up"
      severity   = "ERROR"
      filter     = "${local._subscription}/num_undelivered_messages\" AND resource.labels.subscription_id = \"${var.subscriptions.dead}\""
      comparison = "COMPARISON_GT"
      threshold  = 0
      align      = "ALIGN_MAX"
      reduce     = "REDUCE_MAX"
      period     = "300s"
      duration   = "0s"
      missing    = null
      action     = "The worker failed on them ${var.max_delivery_attempts} times, or could not read them; its log has the reason. `marketplace-sync dead list` shows them, `dead replay` shows the effect of a replay on each and replays them with `--execute` (docs/operating.md). The next runs continue without them."
    }
    oldest-unacked = {
      title      = "messages wait too long"
      severity   = "WARNING"
      filter     = "${local._subscription}/oldest_unacked_message_age\" AND resource.labels.subscription_id = \"${var.subscriptions.worker}\""
      comparison = "COMPARISON_GT"
      threshold  = var.oldest_unacked_seconds
      align      = "ALIGN_MAX"
      reduce     = "REDUCE_MAX"
      period     = "60s"
      duration   = "300s"
      missing    = null
      action     = "More work than the worker's instances can do (raise worker.max_instances), or a message that fails again and again (the worker's log says why)."
    }
    refused-callers = {
      title      = "a caller was refused"
      severity   = "WARNING"
      filter     = local._metric.refused
      comparison = "COMPARISON_GT"
      threshold  = 0
      align      = "ALIGN_SUM"
      reduce     = "REDUCE_SUM"
      period     = "300s"
      duration   = "0s"
      missing    = null
      action     = "Somebody passed the platform's check and not ours: the log line `caller_refused` says why. After a rotation of the scheduler's secret: is its new value in both places (docs/deploy.md)?"
    }
    untold-changes = {
      title      = "consumers are not told"
      severity   = "WARNING"
      filter     = local._metric.untold
      comparison = "COMPARISON_GT"
      threshold  = 0
      align      = "ALIGN_SUM"
      reduce     = "REDUCE_SUM"
      period     = "900s"
      duration   = "0s"
      missing    = null
      action     = "The topic of SYNC_CHANGES takes no events: the log line `changes_untold` says why. Records are synced as usual, and nothing is lost: heals publish the events once the topic takes them (docs/changes.md)."
    }
    needs-attention = {
      title      = "a connection needs attention"
      severity   = "WARNING"
      filter     = local._metric.attention
      comparison = "COMPARISON_GT"
      threshold  = 0
      align      = "ALIGN_SUM"
      reduce     = "REDUCE_SUM"
      period     = "900s"
      duration   = "0s"
      missing    = null
      action     = "A marketplace refused a seller's credentials, or a connection's document is wrong: `GET /api/sync/status` lists them, each with its remedy."
    }
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local._channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter                  = each.value.filter
      comparison              = each.value.comparison
      threshold_value         = each.value.threshold
      duration                = each.value.duration
      evaluation_missing_data = each.value.missing

      aggregations {
        alignment_period     = each.value.period
        per_series_aligner   = each.value.align
        cross_series_reducer = each.value.reduce
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content   = each.value.action
    mime_type = "text/markdown"
  }
}
