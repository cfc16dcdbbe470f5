locals {
  _metric       = { for key, name in time_sleep.metrics.triggers : key => "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${name}\"" }
  _subscription = "resource.type = \"pubsub_subscription\" AND metric.type = \"pubsub.googleapis.com/subscription"
  _dead         = "resource.labels.subscription_id = one_of(${join(", ", [for name in var.subscriptions.dead : "\"${name}\""])})"
  _waiting      = "resource.labels.subscription_id = one_of(${join(", ", [for name in var.subscriptions.worker : "\"${name}\""])})"
  _services     = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = one_of(${join(", ", [for name in var.functions : "\"${name}\""])})"
  # The names of the metrics in PromQL (cloud.google.com/monitoring/promql/promql-mapping).
  _promql  = { for key, name in time_sleep.metrics.triggers : key => "logging_googleapis_com:user_${replace(name, "-", "_")}" }
  _silence = "${var.no_success_minutes}m"

  # Alerts on silence. A rule on missing data ends after a day, because a series without data is forgotten
  # (cloud.google.com/monitoring/alerts/metric-absence). `or vector(0)` puts a 0 in the place of the forgotten
  # series: the query has an answer as long as nothing comes, so the alert lasts as long. One line in the window
  # is about 1, because `increase` extrapolates.
  silences = {
    no-tick = {
      title  = "no tick in two intervals"
      query  = "(sum(increase(${local._promql.ticks}{monitored_resource=\"cloud_run_revision\"}[${local._silence}])) or vector(0)) < 0.5"
      found  = "Cloud Scheduler has not reached the HTTP function for ${var.no_success_minutes} minutes: nothing is synced."
      action = "Look at the Cloud Scheduler job: is it paused or deleted, and what did its last call answer? Then at the HTTP function's log: `caller_refused` and `request_failed` say why a tick was turned away. `marketplace-sync trigger` syncs meanwhile."
    }
    no-successful-run = {
      title  = "no run succeeded in two intervals"
      query  = "(sum(increase(${local._promql.runs}{monitored_resource=\"cloud_run_revision\", status=~\"succeeded|partial\"}[${local._silence}])) or vector(0)) < 0.5"
      found  = "No run was closed with a success in ${var.no_success_minutes} minutes."
      action = "`marketplace-sync runs list` shows the last runs. If none is open or new, see the alert *no tick*. If they stay open, look at the messages that wait and at the worker's log; if all fail, at the alert of the marketplace."
    }
  }

  # Alerts on a count. Without data there is nothing left to count, so they end. `by` joins the points of a period, and
  # the series of a group.
  counts = {
    marketplace-failing = {
      title     = "a marketplace is failing"
      severity  = "ERROR"
      filter    = local._metric.down
      threshold = 0
      by        = "SUM"
      group     = ["metric.label.marketplace"]
      period    = "${var.no_success_minutes * 60}s"
      found     = "$${metric.label.marketplace}: most of its tasks failed in the last ${var.failing_ticks} ticks."
      action    = "It is the marketplace's trouble as long as many connections fail with `marketplace_unavailable`: see its status page; ticks continue by themselves. `marketplace-sync status` names the cause, since when, and how many connections it concerns."
    }
    late = {
      title     = "connections are late"
      severity  = "WARNING"
      filter    = local._metric.late
      threshold = 0
      by        = "SUM"
      group     = ["metric.label.marketplace"]
      period    = "${var.no_success_minutes * 60}s"
      found     = "$${metric.label.marketplace}: some connections' data is older than several of their own intervals."
      action    = "`marketplace-sync status` groups them by cause, each with its remedy: a marketplace that is down or throttles, refused credentials, a back-fill, or too few instances of the worker."
    }
    needs-attention = {
      title     = "a connection needs attention"
      severity  = "WARNING"
      filter    = local._metric.attention
      threshold = 0
      by        = "SUM"
      group     = ["metric.label.connection_id", "metric.label.marketplace", "metric.label.kind"]
      period    = "${var.no_success_minutes * 60}s"
      found     = "$${metric.label.connection_id} ($${metric.label.marketplace}): $${metric.label.kind}."
      action    = "Only a person can help: `marketplace-sync connections show $${metric.label.connection_id}` has the error and its remedy. Store a new secret with `connections set`, test it with `connections check`, or pause the connection. Of many connections the first 20 are named."
    }
    dead-tasks = {
      title     = "messages were given up"
      severity  = "ERROR"
      filter    = "${local._subscription}/num_undelivered_messages\" AND ${local._dead}"
      threshold = 0
      by        = "MAX"
      group     = ["resource.label.subscription_id"]
      period    = "300s"
      found     = "There are dead letters in $${resource.label.subscription_id}."
      action    = "The worker failed on them ${var.max_delivery_attempts} times, or could not read them; its log has the reason. `marketplace-sync dead list` shows them, `dead replay` shows the effect of a replay on each and replays them with `--execute`. The next runs continue without them."
    }
    oldest-unacked = {
      title     = "messages wait too long"
      severity  = "WARNING"
      filter    = "${local._subscription}/oldest_unacked_message_age\" AND ${local._waiting}"
      threshold = var.oldest_unacked_seconds
      by        = "MAX"
      group     = ["resource.label.subscription_id"]
      period    = "300s"
      found     = "The oldest message of $${resource.label.subscription_id} waits for more than ${var.oldest_unacked_seconds} s."
      action    = "More work than the instances can do (raise worker.max_instances; for the subscription of back-fills, `…-tasks-backfill-worker`, backfill.max_instances), or a message that fails again and again: `message_crashed` and `message_redelivered` in the worker's log say why."
    }
    rejects = {
      title     = "rejects are growing"
      severity  = "WARNING"
      filter    = local._metric.rejects
      threshold = var.rejects_per_hour
      by        = "SUM"
      group     = ["metric.label.marketplace", "metric.label.stream"]
      period    = "3600s"
      found     = "$${metric.label.marketplace}, $${metric.label.stream}: more than ${var.rejects_per_hour} records were rejected in an hour."
      action    = "`marketplace-sync rejects list` has the reasons. One reason for many records is a change of the marketplace's API: report it with a raw record. The other records are synced as usual."
    }
    refused-callers = {
      title     = "a caller was refused"
      severity  = "WARNING"
      filter    = local._metric.refused
      threshold = 0
      by        = "SUM"
      group     = ["metric.label.caller", "metric.label.reason", "metric.label.status"]
      period    = "900s"
      found     = "$${metric.label.caller} was answered $${metric.label.status}: $${metric.label.reason}."
      action    = "Somebody passed the platform's check and not ours; the log line `caller_refused` has the path. After a rotation of the scheduler's secret: is its new value in both places (docs/deploy.md)?"
    }
    server-errors = {
      title     = "a function answers with errors"
      severity  = "ERROR"
      filter    = "${local._services} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      threshold = var.server_errors
      by        = "SUM"
      group     = ["resource.label.service_name"]
      period    = "900s"
      found     = "$${resource.label.service_name} answered more than ${var.server_errors} requests with 5xx in a quarter of an hour."
      action    = "Its log says why: `request_crashed` and `message_crashed` are defects, `message_redelivered` and `request_failed` name the service that does not answer. Without such lines instances were ended: see memory and time-outs."
    }
    out-of-memory = {
      title     = "a function runs out of memory"
      severity  = "ERROR"
      filter    = local._metric.memory
      threshold = 0
      by        = "SUM"
      group     = ["resource.label.service_name"]
      period    = "900s"
      found     = "Instances of $${resource.label.service_name} were ended because they exceeded their memory limit."
      action    = "Their work is taken over, and repeated. Raise the function's memory, or lower its concurrency."
    }
    untold-changes = {
      title     = "consumers are not told"
      severity  = "WARNING"
      filter    = local._metric.untold
      threshold = 0
      by        = "SUM"
      group     = ["metric.label.kind"]
      period    = "900s"
      found     = "Changes could not be published: $${metric.label.kind}."
      action    = "The topic of SYNC_CHANGES takes no events: the log line `changes_untold` says why. Records are synced as usual, and nothing is lost: heals publish the events once the topic takes them (docs/changes.md)."
    }
  }

  # Each alert has a section of its own in docs/operating.md.
  _texts = { for key, alert in merge(local.silences, local.counts) : key => join("\n\n", [
    "**Found.** ${alert.found}",
    "**Do.** ${alert.action}",
    "**Runbook.** docs/operating.md#alert-${key}",
    "**Page.** `marketplace-sync ui`, then http://127.0.0.1:8733/",
  ]) }
  _links = merge(
    { for name, url in { Page = "http://127.0.0.1:8733/" } : name => { for key in keys(local._texts) : key => url } },
    { for name, url in { Runbook = var.runbook_url } : name => { for key in keys(local._texts) : key => "${url}#alert-${key}" } if url != "" },
  )
}

resource "google_monitoring_alert_policy" "silence" {
  for_each = local.silences

  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local._channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "60s"
      evaluation_interval = "60s"
      # Before the first tick Monitoring does not know the metric; that is silence as well.
      disable_metric_validation = true
    }
  }

  # An incident closes after this long without data (cloud.google.com/monitoring/alerts/incidents-events). The query
  # always has an answer, so that only a tick or a success closes it; a week is the most that Monitoring takes.
  alert_strategy {
    auto_close = "604800s"
  }

  documentation {
    content   = local._texts[each.key]
    mime_type = "text/markdown"

    dynamic "links" {
      for_each = local._links

      content {
        display_name = links.key
        url          = links.value[each.key]
      }
    }
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.counts

  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local._channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      # Missing data is decided on only with a duration of a minute or more.
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_INACTIVE"

      aggregations {
        alignment_period     = each.value.period
        per_series_aligner   = "ALIGN_${each.value.by}"
        cross_series_reducer = "REDUCE_${each.value.by}"
        group_by_fields      = each.value.group
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content   = local._texts[each.key]
    mime_type = "text/markdown"

    dynamic "links" {
      for_each = local._links

      content {
        display_name = links.key
        url          = links.value[each.key]
      }
    }
  }
}
