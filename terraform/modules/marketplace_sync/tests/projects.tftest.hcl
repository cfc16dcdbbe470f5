# The promises to projects and organizations with limits and rules of their own.

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

run "a_new_project" {
  command = plan

  assert {
    condition     = time_sleep.apis.create_duration == "120s" && time_sleep.callers.create_duration == "120s"
    error_message = "APIs and permissions have time to arrive before they are used"
  }

  assert {
    condition     = contains(split(" ", time_sleep.apis.triggers.apis), "pubsub.googleapis.com")
    error_message = "an API that is added has it too"
  }

  assert {
    condition     = length(module.egress) == 0 && length(module.budget) == 0 && output.egress_address == null
    error_message = "no network and no budget by default"
  }

  assert {
    condition     = !contains(keys(google_project_service.this), "compute.googleapis.com") && !contains(keys(google_project_service.this), "billingbudgets.googleapis.com")
    error_message = "and not their APIs"
  }

  assert {
    condition     = !strcontains(output.command_line_environment, "SECRET_LOCATIONS")
    error_message = "Google chooses where secrets are"
  }

  assert {
    condition     = var.cpu_quota == 20 && var.api.cpu * var.api.max_instances + (var.worker.cpu + var.backfill.cpu) * var.worker.max_instances <= 20
    error_message = "the defaults fit"
  }
}

run "a_project_with_everything" {
  command = plan

  variables {
    budget           = { amount = 200, billing_account = "012345-6789AB-CDEF01" }
    cpu_quota        = 44
    secret_locations = ["europe-west1", "europe-west3"]
    static_egress    = true
    worker           = { max_instances = 20 }
  }

  override_module {
    target = module.egress
    outputs = {
      address   = "203.0.113.7"
      connector = "projects/a-project/locations/europe-west1/connectors/sync-egress"
    }
  }

  assert {
    condition     = output.egress_address == "203.0.113.7"
    error_message = "the address to allow-list is an output"
  }

  assert {
    condition     = length(setintersection(["compute.googleapis.com", "vpcaccess.googleapis.com"], keys(google_project_service.this))) == 2
    error_message = "the network's APIs are enabled"
  }

  assert {
    condition     = length(module.budget) == 1 && contains(keys(google_project_service.this), "billingbudgets.googleapis.com")
    error_message = "a budget is made once it has an account"
  }

  assert {
    condition     = strcontains(output.command_line_environment, "export SECRET_LOCATIONS='europe-west1,europe-west3'")
    error_message = "the command line creates sellers' secrets there too"
  }
}

run "refuses_what_google_would_refuse" {
  command = plan

  variables {
    backups          = { days = 0 }
    budget           = { amount = 200 }
    secret_locations = ["europe-west1", "europe-west1"]
    worker           = { max_instances = 9 }
  }

  expect_failures = [var.backups, var.budget, var.cpu_quota, var.secret_locations]
}
