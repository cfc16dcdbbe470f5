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
    dead   = "sync-tasks-dead"
    worker = "sync-tasks-worker"
  }
}

run "monitoring" {
  command = plan

  assert {
    condition     = google_monitoring_alert_policy.this["no-successful-run"].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "2100s" && google_monitoring_alert_policy.this["no-successful-run"].conditions[0].condition_threshold[0].comparison == "COMPARISON_LT"
    error_message = "two intervals without a successful run raise an alert"
  }

  assert {
    condition     = google_monitoring_alert_policy.this["no-successful-run"].conditions[0].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_ACTIVE"
    error_message = "no data at all raises it too"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["no-successful-run"].conditions[0].condition_threshold[0].filter, "user/sync-runs") && strcontains(google_monitoring_alert_policy.this["no-successful-run"].conditions[0].condition_threshold[0].filter, "succeeded")
    error_message = "it counts runs that succeeded"
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
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : policy.notification_channels == tolist(["projects/a-project/notificationChannels/1", "projects/a-project/notificationChannels/2"])])
    error_message = "every alert is told to everybody"
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : length(policy.documentation[0].content) > 0])
    error_message = "every alert names the remedy"
  }

  assert {
    condition     = alltrue([for metric in google_logging_metric.this : strcontains(metric.filter, "\"sync-api\" OR \"sync-worker\"")])
    error_message = "only the log of the two functions is counted"
  }

  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles) == 8
    error_message = "the dashboard shows runs, connections, waiting and dead messages"
  }
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
    subscriptions = { dead = "projects/p/subscriptions/d", worker = "w" }
  }

  expect_failures = [var.subscriptions]
}
