# The Cloud Scheduler job that starts a run at every tick.

locals {
  # The default audience is the whole URL with its path, which Cloud Run refuses.
  audience = regex("^https://[^/]+", var.sync_endpoint_url)
}

resource "google_cloud_scheduler_job" "this" {
  project          = var.project_id
  region           = var.region
  name             = var.name
  description      = "Starts a marketplace sync."
  schedule         = var.schedule_cron
  time_zone        = var.time_zone
  attempt_deadline = "${var.attempt_deadline_seconds}s"
  paused           = var.paused

  retry_config {
    retry_count          = var.retry_config.retry_count
    min_backoff_duration = "${var.retry_config.min_backoff_seconds}s"
    max_backoff_duration = "${var.retry_config.max_backoff_seconds}s"
    max_doublings        = var.retry_config.max_doublings
    # Retries end when both bounds are exhausted; with 0 here only the number counts.
    max_retry_duration = "0s"
  }

  http_target {
    http_method = "POST"
    uri         = var.sync_endpoint_url
    body        = base64encode("{}")

    headers = merge(
      { "Content-Type" = "application/json" },
      # In clear text in the job and in the state; it is the second factor, beside the token.
      var.scheduler_secret == null ? {} : { "x-scheduler-secret" = var.scheduler_secret },
    )

    oidc_token {
      service_account_email = var.service_account_email
      audience              = local.audience
    }
  }
}
