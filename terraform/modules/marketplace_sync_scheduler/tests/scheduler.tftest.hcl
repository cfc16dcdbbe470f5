# The promises of the scheduler module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

variables {
  project_id            = "a-project"
  region                = "europe-west1"
  scheduler_secret      = "0123456789abcdef0123456789abcdef"
  service_account_email = "sync-scheduler@a-project.iam.gserviceaccount.com"
  sync_endpoint_url     = "https://sync-api-123456789012.europe-west1.run.app/api/sync/scheduler"
}

run "job" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.this.schedule == "*/15 * * * *" && google_cloud_scheduler_job.this.time_zone == "Etc/UTC" && !google_cloud_scheduler_job.this.paused
    error_message = "a tick every quarter of an hour"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.http_target[0].uri == var.sync_endpoint_url && google_cloud_scheduler_job.this.http_target[0].http_method == "POST"
    error_message = "the tick goes to the scheduler route"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.http_target[0].oidc_token[0].audience == "https://sync-api-123456789012.europe-west1.run.app"
    error_message = "the token is made out to the function, without the path"
  }

  assert {
    condition     = output.audience == google_cloud_scheduler_job.this.http_target[0].oidc_token[0].audience
    error_message = "the audience is an output, for the function that checks it"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.http_target[0].oidc_token[0].service_account_email == var.service_account_email && length(google_cloud_scheduler_job.this.http_target[0].oauth_token) == 0
    error_message = "the token is the given account, and an identity token"
  }

  assert {
    condition     = nonsensitive(google_cloud_scheduler_job.this.http_target[0].headers["Content-Type"]) == "application/json" && base64decode(google_cloud_scheduler_job.this.http_target[0].body) == "{}"
    error_message = "the body is JSON and says so"
  }

  assert {
    condition     = nonsensitive(google_cloud_scheduler_job.this.http_target[0].headers["x-scheduler-secret"] == var.scheduler_secret)
    error_message = "the secret is shown"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.attempt_deadline == "150s" && google_cloud_scheduler_job.this.retry_config[0].retry_count == 3 && google_cloud_scheduler_job.this.retry_config[0].min_backoff_duration == "10s"
    error_message = "an unanswered tick is repeated"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.retry_config[0].max_retry_duration == "0s"
    error_message = "only the number of attempts bounds the repeating"
  }
}

run "without_a_secret" {
  command = plan

  variables {
    scheduler_secret = null
  }

  assert {
    condition     = nonsensitive(!contains(keys(google_cloud_scheduler_job.this.http_target[0].headers), "x-scheduler-secret"))
    error_message = "without a secret there is no header"
  }
}

run "other_values" {
  command = plan

  variables {
    paused        = true
    schedule_cron = "0 6-22 * * MON-FRI"
    time_zone     = "Africa/Johannesburg"
  }

  assert {
    condition     = google_cloud_scheduler_job.this.schedule == "0 6-22 * * MON-FRI" && google_cloud_scheduler_job.this.time_zone == "Africa/Johannesburg" && google_cloud_scheduler_job.this.paused
    error_message = "the schedule is as given"
  }
}

run "refuses_a_deadline_of_an_hour" {
  command = plan

  variables {
    attempt_deadline_seconds = 3600
    schedule_cron            = "0 6 * * *"
  }

  expect_failures = [var.attempt_deadline_seconds]
}

run "refuses_a_name_with_spaces" {
  command = plan

  variables {
    name = "market place"
  }

  expect_failures = [var.name]
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

run "refuses_six_retries" {
  command = plan

  variables {
    retry_config  = { retry_count = 6 }
    schedule_cron = "0 6 * * *"
  }

  expect_failures = [var.retry_config]
}

run "refuses_a_backoff_that_shrinks" {
  command = plan

  variables {
    retry_config = { min_backoff_seconds = 60, max_backoff_seconds = 30 }
  }

  expect_failures = [var.retry_config]
}

run "refuses_endless_doublings" {
  command = plan

  variables {
    retry_config = { max_doublings = 17 }
  }

  expect_failures = [var.retry_config]
}

run "refuses_retries_into_the_next_tick" {
  command = plan

  variables {
    schedule_cron = "*/5 * * * *"
  }

  expect_failures = [var.retry_config]
}

run "refuses_a_schedule_in_words" {
  command = plan

  variables {
    schedule_cron = "every 15 minutes"
  }

  expect_failures = [var.schedule_cron]
}

run "refuses_a_short_secret" {
  command = plan

  variables {
    scheduler_secret = "0123456789abcdef0123456789abcde"
  }

  expect_failures = [var.scheduler_secret]
}

run "refuses_a_person" {
  command = plan

  variables {
    service_account_email = "jane@example.com"
  }

  expect_failures = [var.service_account_email]
}

run "refuses_another_route" {
  command = plan

  variables {
    sync_endpoint_url = "https://sync-api.example.run.app/api/sync/run"
  }

  expect_failures = [var.sync_endpoint_url]
}

run "refuses_an_offset_for_a_time_zone" {
  command = plan

  variables {
    time_zone = "+02:00"
  }

  expect_failures = [var.time_zone]
}
