# The promises of the monitoring module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

override_resource {
  target          = google_monitoring_notification_channel.email
  override_during = plan
  values = {
    id = "projects/a-project/notificationChannels/1"
  }
}

variables {
  emails                 = ["ops@example.com"]
  functions              = ["sync-api", "sync-worker"]
  labels                 = {}
  max_delivery_attempts  = 20
  name                   = "sync"
  no_success_minutes     = 35
  notification_channels  = ["projects/a-project/notificationChannels/2"]
  oldest_unacked_seconds = 1800
  project_id             = "a-project"
  subscriptions = {
    dead   = ["sync-tasks-dead", "sync-tasks-backfill-dead"]
    worker = ["sync-tasks-worker", "sync-tasks-backfill-worker"]
  }
}

run "monitoring" {
  command = plan

  assert {
    condition     = time_sleep.metrics.create_duration == "660s" && alltrue([for key, name in time_sleep.metrics.triggers : google_logging_metric.this[key].name == name])
    error_message = "no alert is made before Monitoring knows its metric, which may take ten minutes"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.silence : policy.alert_strategy[0].auto_close == "604800s" && length(policy.conditions[0].condition_absent) == 0])
    error_message = "silence does not end by itself, as a rule on absent data does"
  }

  assert {
    condition     = output.notification_channels == ["projects/a-project/notificationChannels/1", "projects/a-project/notificationChannels/2"]
    error_message = "a budget is told to the same people"
  }

  assert {
    condition     = google_monitoring_alert_policy.silence["no-tick"].conditions[0].condition_prometheus_query_language[0].query == "(sum(increase(logging_googleapis_com:user_sync_ticks{monitored_resource=\"cloud_run_revision\"}[35m])) or vector(0)) < 0.5"
    error_message = "two intervals without a tick raise an alert"
  }

  assert {
    condition     = google_monitoring_alert_policy.silence["no-successful-run"].conditions[0].condition_prometheus_query_language[0].query == "(sum(increase(logging_googleapis_com:user_sync_runs{monitored_resource=\"cloud_run_revision\", status=~\"succeeded|partial\"}[35m])) or vector(0)) < 0.5"
    error_message = "two intervals without a successful run raise an alert"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.silence : strcontains(policy.conditions[0].condition_prometheus_query_language[0].query, "or vector(0)") && policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "silence has a value however long it lasts, also before the first line"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.silence : policy.severity == "CRITICAL"])
    error_message = "silence is the first alert"
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.this)) == toset(["dead-tasks", "late", "marketplace-failing", "needs-attention", "oldest-unacked", "out-of-memory", "refused-callers", "rejects", "server-errors", "untold-changes"])
    error_message = "each cause has its alert"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : policy.conditions[0].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_INACTIVE" && policy.conditions[0].condition_threshold[0].duration == "60s"])
    error_message = "an alert ends with its cause, when no more lines come"
  }

  assert {
    condition     = alltrue([for key in ["late", "marketplace-failing", "needs-attention"] : google_monitoring_alert_policy.this[key].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "2100s"])
    error_message = "an alert on lines of a tick lasts from one tick to the next"
  }

  assert {
    condition     = strcontains(google_logging_metric.this["down"].filter, "jsonPayload.failing_ticks>=3")
    error_message = "a marketplace that fails for three ticks raises an alert"
  }

  assert {
    condition     = google_monitoring_alert_policy.this["needs-attention"].conditions[0].condition_threshold[0].aggregations[0].group_by_fields == tolist(["metric.label.connection_id", "metric.label.marketplace", "metric.label.kind"])
    error_message = "a connection that needs attention is named"
  }

  assert {
    condition     = alltrue([for key, policy in google_monitoring_alert_policy.this : alltrue([for field in policy.conditions[0].condition_threshold[0].aggregations[0].group_by_fields : strcontains(policy.documentation[0].content, "$${${field}}")])])
    error_message = "each alert tells what it found"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["server-errors"].conditions[0].condition_threshold[0].filter, "one_of(\"sync-api\", \"sync-worker\")") && strcontains(google_monitoring_alert_policy.this["server-errors"].conditions[0].condition_threshold[0].filter, "\"5xx\"")
    error_message = "answers with 5xx of either function raise an alert"
  }

  assert {
    condition     = strcontains(google_logging_metric.this["memory"].filter, "run.googleapis.com/varlog/system")
    error_message = "instances out of memory raise an alert"
  }

  assert {
    condition     = google_monitoring_alert_policy.this["rejects"].conditions[0].condition_threshold[0].threshold_value == 10
    error_message = "growing rejects raise an alert"
  }

  assert {
    condition     = alltrue([for key, policy in merge(google_monitoring_alert_policy.this, google_monitoring_alert_policy.silence) : [for link in policy.documentation[0].links : link.url] == ["http://127.0.0.1:8733/"] && strcontains(policy.documentation[0].content, "docs/operating.md#alert-${key}")])
    error_message = "each alert names its section of the runbook, and the page"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["dead-tasks"].conditions[0].condition_threshold[0].filter, "num_undelivered_messages") && strcontains(google_monitoring_alert_policy.this["dead-tasks"].conditions[0].condition_threshold[0].filter, "sync-tasks-dead") && google_monitoring_alert_policy.this["dead-tasks"].conditions[0].condition_threshold[0].threshold_value == 0
    error_message = "one dead message raises an alert"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["oldest-unacked"].conditions[0].condition_threshold[0].filter, "oldest_unacked_message_age") && strcontains(google_monitoring_alert_policy.this["oldest-unacked"].conditions[0].condition_threshold[0].filter, "sync-tasks-worker") && google_monitoring_alert_policy.this["oldest-unacked"].conditions[0].condition_threshold[0].threshold_value == 1800
    error_message = "messages that wait too long raise an alert"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["refused-callers"].conditions[0].condition_threshold[0].filter, "user/sync-refused")
    error_message = "a refused caller raises an alert"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["needs-attention"].conditions[0].condition_threshold[0].filter, "user/sync-attention")
    error_message = "a connection that needs a person raises an alert"
  }

  assert {
    condition     = alltrue([for policy in merge(google_monitoring_alert_policy.this, google_monitoring_alert_policy.silence) : policy.notification_channels == tolist(["projects/a-project/notificationChannels/1", "projects/a-project/notificationChannels/2"])])
    error_message = "every alert is told to everybody"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : length(policy.documentation[0].content) > 0])
    error_message = "every alert names the remedy"
  }

  assert {
    condition     = alltrue([for metric in google_logging_metric.this : strcontains(metric.filter, "\"sync-api\" OR \"sync-worker\"")])
    error_message = "only the functions' own log is counted"
  }

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles) == 8
    error_message = "the dashboard shows runs, connections, waiting and dead messages"
  }
}

run "links_the_runbook" {
  command = plan

  variables {
    runbook_url = "https://git.example.com/sync/docs/operating.md"
  }

  assert {
    condition     = alltrue([for key, policy in merge(google_monitoring_alert_policy.this, google_monitoring_alert_policy.silence) : contains([for link in policy.documentation[0].links : link.url], "https://git.example.com/sync/docs/operating.md#alert-${key}")])
    error_message = "each alert links its section"
  }
}

run "refuses_a_runbook_without_its_address" {
  command = plan

  variables {
    runbook_url = "docs/operating.md"
  }

  expect_failures = [var.runbook_url]
}

run "refuses_more_ticks_than_are_counted" {
  command = plan

  variables {
    failing_ticks = 7
  }

  expect_failures = [var.failing_ticks]
}

run "refuses_fewer_rejects_than_none" {
  command = plan

  variables {
    rejects_per_hour = -1
  }

  expect_failures = [var.rejects_per_hour]
}

run "refuses_half_an_error" {
  command = plan

  variables {
    server_errors = 0.5
  }

  expect_failures = [var.server_errors]
}

run "refuses_a_name_for_an_address" {
  command = plan

  variables {
    emails = ["ops"]
  }

  expect_failures = [var.emails]
}

run "refuses_no_function" {
  command = plan

  variables {
    functions = []
  }

  expect_failures = [var.functions]
}

run "refuses_capital_labels" {
  command = plan

  variables {
    labels = { Team = "Sync" }
  }

  expect_failures = [var.labels]
}

run "refuses_too_few_attempts" {
  command = plan

  variables {
    max_delivery_attempts = 4
  }

  expect_failures = [var.max_delivery_attempts]
}

run "refuses_a_long_name" {
  command = plan

  variables {
    name = "marketplace-sync-1"
  }

  expect_failures = [var.name]
}

run "refuses_more_than_a_day" {
  command = plan

  variables {
    no_success_minutes = 1440
  }

  expect_failures = [var.no_success_minutes]
}

run "refuses_a_channel_without_its_full_name" {
  command = plan

  variables {
    notification_channels = ["ops"]
  }

  expect_failures = [var.notification_channels]
}

run "refuses_impatience" {
  command = plan

  variables {
    oldest_unacked_seconds = 10
  }

  expect_failures = [var.oldest_unacked_seconds]
}

run "refuses_a_project_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "refuses_full_subscription_names" {
  command = plan

  variables {
    subscriptions = { dead = ["projects/p/subscriptions/d"], worker = ["w"] }
  }

  expect_failures = [var.subscriptions]
}
