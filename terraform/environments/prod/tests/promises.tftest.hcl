# What prod promises beyond its module; tests/delivery/terraform reads this plan too.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

mock_provider "google-beta" {
  override_during = plan
}

mock_provider "archive" {
  override_during = plan
}

override_resource {
  target          = module.sync.module.api.google_service_account.this
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    email  = "sync-api@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.module.worker.google_service_account.this
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-worker@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-worker@a-project.iam.gserviceaccount.com"
    email  = "sync-worker@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.module.build.google_service_account.build
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
    email  = "sync-build@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-build@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.module.queue.google_service_account.push
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    email  = "sync-push@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-push@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.google_service_account.scheduler
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-scheduler@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-scheduler@a-project.iam.gserviceaccount.com"
    email  = "sync-scheduler@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-scheduler@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.google_service_account.operator
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-op-jane@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-op-jane@a-project.iam.gserviceaccount.com"
    email  = "sync-op-jane@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-op-jane@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.module.queue.google_project_service_identity.pubsub
  override_during = plan
  values = {
    member = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.sync.module.queue.google_pubsub_topic.tasks
  override_during = plan
  values = {
    id = "projects/a-project/topics/sync-tasks"
  }
}

override_resource {
  target          = module.sync.module.queue.google_pubsub_topic.dead
  override_during = plan
  values = {
    id = "projects/a-project/topics/sync-tasks-dead"
  }
}

override_resource {
  target          = module.sync.module.build.google_artifact_registry_repository.images
  override_during = plan
  values = {
    id   = "projects/a-project/locations/europe-west1/repositories/sync-functions"
    name = "sync-functions"
  }
}

variables {
  project_id       = "a-project"
  region           = "europe-west1"
  scheduler_secret = "0123456789abcdef0123456789abcdef"
  operators        = { jane = "user:jane@example.com" }
  alert_emails     = ["ops@example.com"]
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
