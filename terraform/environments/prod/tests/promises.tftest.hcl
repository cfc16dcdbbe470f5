# prod's promises beyond its module; tests/delivery/terraform reads this plan too.

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
    condition     = output.protected
    error_message = "prod refuses to be destroyed"
  }

  assert {
    condition     = output.url == "https://sync-api-123456789012.europe-west1.run.app"
    error_message = "the URL of the HTTP function is an output"
  }

  assert {
    condition     = output.operators["jane"] == "sync-op-jane@a-project.iam.gserviceaccount.com"
    error_message = "operators are told the account they act as"
  }

  assert {
    condition     = output.connection_prefix == "sync-connection-"
    error_message = "the names of credentials are an output"
  }
}

run "refuses_nobody_to_tell" {
  command = plan

  variables {
    alert_emails = []
  }

  expect_failures = [var.alert_emails]
}
