# dev's promises beyond its module; tests/delivery/terraform reads this plan too.

mock_provider "google" {
  source          = "../../testing/environments"
  override_during = plan
}

mock_provider "google-beta" {
  source          = "../../testing/environments"
  override_during = plan
}

mock_provider "archive" {
  override_during = plan
}

variables {
  project_id       = "a-project"
  region           = "europe-west1"
  scheduler_secret = "0123456789abcdef0123456789abcdef"
  operators        = { jane = "user:jane@example.com" }
  alert_emails     = ["ops@example.com"]
  changes          = true
}

run "plan" {
  command = plan

  assert {
    condition     = !output.protected
    error_message = "dev can be destroyed"
  }

  assert {
    condition     = output.url == "https://sync-api-123456789012.europe-west1.run.app"
    error_message = "the URL of the HTTP function is an output"
  }

  assert {
    condition     = output.scheduler.job == "sync-tick"
    error_message = "the job can be sent a tick by its name"
  }

  assert {
    condition     = strcontains(output.command_line_environment, "GOOGLE_CLOUD_PROJECT='a-project'")
    error_message = "the environment of the command line is an output"
  }
}
