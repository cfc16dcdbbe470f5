# The promises of every environment.

mock_provider "google" {
  source          = "../../testing/module"
  override_during = plan
}

mock_provider "google-beta" {
  source          = "../../testing/module"
  override_during = plan
}

mock_provider "archive" {
  override_during = plan
}

# Its own tests cover the archive: making it takes seconds a plan.
override_module {
  target          = module.build
  override_during = plan
  outputs = {
    build = {
      bucket          = "a-project-sync-source"
      object          = "source-digest.zip"
      repository      = "projects/a-project/locations/europe-west1/repositories/sync-functions"
      service_account = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
    }
    files = []
  }
}

variables {
  project_id       = "a-project"
  region           = "europe-west1"
  scheduler_secret = "0123456789abcdef0123456789abcdef"
  operators        = { jane = "user:jane@example.com" }
  protected        = false
}

run "environment" {
  command = plan

  assert {
    condition     = output.url == "https://sync-api-123456789012.europe-west1.run.app"
    error_message = "the URL of the function is computed, not looked up"
  }

  assert {
    condition     = module.scheduler.audience == output.url
    error_message = "the tick is made out to the function"
  }

  assert {
    condition     = module.api.name == "sync-api" && module.worker.name == "sync-worker" && module.worker_backfill.name == "sync-backfill"
    error_message = "the URLs are those of the functions"
  }

  assert {
    condition     = module.queue.topic == "sync-tasks" && module.queue_backfill.topic == "sync-tasks-backfill" && module.queue_backfill.dead_subscription == "sync-tasks-backfill-dead"
    error_message = "continuations have a lane of their own"
  }

  assert {
    condition     = module.worker_backfill.member == module.worker.member && local.backfill_instances == var.worker.max_instances
    error_message = "the second worker is the same one again, with as many instances"
  }

  assert {
    condition     = output.operators == { jane = "sync-op-jane@a-project.iam.gserviceaccount.com" }
    error_message = "an operator has an account to act as"
  }

  assert {
    condition     = google_service_account_iam_member.operator["jane"].member == "user:jane@example.com" && google_service_account_iam_member.operator["jane"].role == "roles/iam.serviceAccountTokenCreator"
    error_message = "and only that person acts as it"
  }

  assert {
    condition     = endswith(google_service_account_iam_member.operator["jane"].service_account_id, "sync-op-jane@a-project.iam.gserviceaccount.com")
    error_message = "as that account and no other"
  }

  assert {
    condition     = output.scheduler == { job = "sync-tick", region = "europe-west1" }
    error_message = "the job can be found"
  }

  assert {
    condition     = output.connection_prefix == "sync-connection-"
    error_message = "credentials are told by their names"
  }

  assert {
    condition     = local.no_success_minutes == 35
    error_message = "somebody is told after two intervals"
  }

  assert {
    condition     = strcontains(output.command_line_environment, "export TICK_SECONDS='900'")
    error_message = "the interval is known, so that lateness is"
  }

  assert {
    condition     = strcontains(output.command_line_environment, "export SYNC_QUEUE='pubsub:sync-tasks'")
    error_message = "the command line's environment is an output"
  }

  assert {
    condition     = alltrue([for service in google_project_service.this : !service.disable_on_destroy])
    error_message = "other users of the project keep their APIs"
  }
}

run "nobody_is_told_by_default" {
  command = plan

  assert {
    condition     = output.changes_topic == null && length(google_pubsub_topic_iam_member.changes) == 0
    error_message = "there is no topic that nobody asked for"
  }

  assert {
    condition     = !strcontains(output.command_line_environment, "SYNC_CHANGES")
    error_message = "and nobody publishes to one"
  }
}

run "consumers_are_told" {
  command = plan

  variables {
    changes = true
  }

  assert {
    condition     = google_pubsub_topic.changes[0].name == "sync-changes"
    error_message = "the topic is not the queue's"
  }

  assert {
    condition     = google_pubsub_topic_iam_member.changes[0].member == module.worker.member && google_pubsub_topic_iam_member.changes[0].role == "roles/pubsub.publisher"
    error_message = "the worker may publish"
  }

  assert {
    condition     = strcontains(output.command_line_environment, "export SYNC_CHANGES='pubsub:sync-changes'")
    error_message = "the command line tells too"
  }
}

run "hourly" {
  command = plan

  variables {
    scheduler = { cron = "7 * * * *" }
  }

  assert {
    condition     = local.no_success_minutes == 125
    error_message = "somebody is told after two hours"
  }

  assert {
    condition     = local.tick_seconds == 3600
    error_message = "data is late after three hours"
  }
}

run "odd_schedule" {
  command = plan

  variables {
    alerts    = { no_success_minutes = 600 }
    scheduler = { cron = "0 6,12 * * *" }
  }

  assert {
    condition     = local.no_success_minutes == 600
    error_message = "somebody is told when the schedule cannot say"
  }

  assert {
    condition     = local.tick_seconds == 17850
    error_message = "two ticks are missed after that time"
  }
}

run "scheduler_elsewhere" {
  command = plan

  variables {
    scheduler = { region = "europe-west3" }
  }

  assert {
    condition     = output.scheduler.region == "europe-west3"
    error_message = "the job may be in another region"
  }
}

run "without_shared_secret" {
  command = plan

  variables {
    scheduler_auth   = "oidc"
    scheduler_secret = null
  }

  assert {
    condition     = module.secrets.scheduler_secret_reference == null
    error_message = "no shared secret if the token alone decides"
  }
}

run "refuses_a_schedule_that_does_not_say_when_to_worry" {
  command = plan

  variables {
    scheduler = { cron = "0 6,12 * * *" }
  }

  expect_failures = [var.alerts]
}

run "refuses_an_api_timeout_over_half_an_hour" {
  command = plan

  variables {
    api = { timeout_seconds = 1800 }
  }

  expect_failures = [var.api]
}

run "refuses_more_tasks_at_once_than_a_channel_carries" {
  command = plan

  variables {
    worker = { concurrency = 51 }
  }

  expect_failures = [var.worker]
}

run "refuses_an_ack_deadline_below_the_timeout" {
  command = plan

  variables {
    delivery = { ack_deadline_seconds = 500 }
  }

  expect_failures = [var.delivery]
}

run "refuses_an_ack_deadline_above_the_lease" {
  command = plan

  variables {
    sync = { lease_seconds = 599 }
  }

  expect_failures = [var.delivery]
}

run "refuses_as_many_attempts_as_deliveries" {
  command = plan

  variables {
    delivery = { max_attempts = 5 }
  }

  expect_failures = [var.delivery]
}

run "refuses_a_short_back_off_with_few_attempts" {
  command = plan

  variables {
    delivery = { max_attempts = 20, max_backoff_seconds = 60 }
  }

  expect_failures = [var.delivery]
}

run "refuses_a_continuation_shorter_than_a_first_slice" {
  command = plan

  variables {
    backfill = { timeout_seconds = 530 }
    sync     = { first_slice_seconds = 481 }
  }

  expect_failures = [var.backfill, var.sync]
}

run "refuses_a_malformed_database" {
  command = plan

  variables {
    firestore = { database = "Orders" }
  }

  expect_failures = [var.firestore]
}

run "refuses_capital_labels" {
  command = plan

  variables {
    labels = { Team = "Sync" }
  }

  expect_failures = [var.labels]
}

run "refuses_a_long_name" {
  command = plan

  variables {
    name = "marketplace-sync-1"
  }

  expect_failures = [var.name]
}

run "refuses_a_long_operator_name" {
  command = plan

  variables {
    operators = { jane-of-support = "user:jane@example.com" }
  }

  expect_failures = [var.operators]
}

run "refuses_an_operator_without_a_kind" {
  command = plan

  variables {
    operators = { jane = "jane@example.com" }
  }

  expect_failures = [var.operators]
}

run "refuses_a_project_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "refuses_a_zone" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}

run "refuses_an_old_runtime" {
  command = plan

  variables {
    runtime = "python310"
  }

  expect_failures = [var.runtime]
}

run "refuses_a_schedule_in_words" {
  command = plan

  variables {
    scheduler = { cron = "every 15 minutes" }
    alerts    = { no_success_minutes = 35 }
  }

  expect_failures = [var.scheduler]
}

run "refuses_the_secret_alone" {
  command = plan

  variables {
    scheduler_auth = "secret"
  }

  expect_failures = [var.scheduler_auth]
}

run "refuses_a_short_secret" {
  command = plan

  variables {
    scheduler_secret = "0123456789abcdef0123456789abcde"
  }

  expect_failures = [var.scheduler_secret]
}

run "refuses_a_slice_as_long_as_the_timeout" {
  command = plan

  variables {
    sync = { slice_seconds = 510 }
  }

  expect_failures = [var.sync]
}

run "refuses_a_log_level_in_lower_case" {
  command = plan

  variables {
    sync = { log_level = "info" }
  }

  expect_failures = [var.sync]
}

run "refuses_a_run_of_no_length" {
  command = plan

  variables {
    sync = { run_seconds = 0 }
  }

  expect_failures = [var.sync]
}

run "refuses_twenty_attempts" {
  command = plan

  variables {
    sync     = { max_attempts = 20 }
    delivery = { max_attempts = 30 }
  }

  expect_failures = [var.sync]
}

run "refuses_one_day_of_retention" {
  command = plan

  variables {
    sync = { retention_days = 1 }
  }

  expect_failures = [var.sync]
}

run "refuses_a_retention_without_a_day_after_the_run" {
  command = plan

  variables {
    sync = { retention_days = 7, run_seconds = 604800 }
  }

  expect_failures = [var.sync]
}

run "takes_a_retention_of_a_day_more_than_a_run" {
  command = plan

  variables {
    sync = { retention_days = 8, run_seconds = 604800 }
  }
}

run "refuses_half_a_second" {
  command = plan

  variables {
    sync = { slice_seconds = 480.5 }
  }

  expect_failures = [var.sync]
}

run "refuses_half_a_second_between_ticks" {
  command = plan

  variables {
    sync = { tick_seconds = 0.5 }
  }

  expect_failures = [var.sync]
}

run "refuses_a_worker_timeout_over_ten_minutes" {
  command = plan

  variables {
    worker = { timeout_seconds = 601 }
  }

  expect_failures = [var.worker]
}
