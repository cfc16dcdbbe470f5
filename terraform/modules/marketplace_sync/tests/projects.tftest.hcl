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

run "settles" {
  command = plan

  assert {
    condition     = time_sleep.apis.create_duration == "120s" && time_sleep.callers.create_duration == "120s"
    error_message = "APIs and permissions have time to arrive before they are used"
  }

  assert {
    condition     = contains(split(" ", time_sleep.apis.triggers.apis), "pubsub.googleapis.com")
    error_message = "an API that is added has it too"
  }
}

run "needs_nothing_that_nobody_asked_for" {
  command = plan

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
}

run "leaves_from_one_address" {
  command = plan

  variables {
    static_egress = true
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
}

run "watches_the_money" {
  command = plan

  variables {
    budget = { amount = 200, billing_account = "012345-6789AB-CDEF01" }
  }

  assert {
    condition     = length(module.budget) == 1 && contains(keys(google_project_service.this), "billingbudgets.googleapis.com")
    error_message = "a budget is made once it has an account"
  }
}

run "keeps_secrets_in_some_locations" {
  command = plan

  variables {
    secret_locations = ["europe-west1", "europe-west3"]
  }

  assert {
    condition     = strcontains(output.command_line_environment, "export SECRET_LOCATIONS='europe-west1,europe-west3'")
    error_message = "the command line creates sellers' secrets there too"
  }
}

run "fits_into_a_new_projects_quota" {
  command = plan

  assert {
    condition     = var.cpu_quota == 20 && var.api.cpu * var.api.max_instances + var.worker.cpu * var.worker.max_instances <= 20
    error_message = "the defaults fit"
  }
}

run "takes_more_with_a_higher_quota" {
  command = plan

  variables {
    cpu_quota = 44
    worker    = { max_instances = 41 }
  }
}

run "refuses_more_instances_than_the_quota" {
  command = plan

  variables {
    worker = { max_instances = 18 }
  }

  expect_failures = [var.cpu_quota]
}

run "refuses_half_a_budget" {
  command = plan

  variables {
    budget = { amount = 200 }
  }

  expect_failures = [var.budget]
}

run "refuses_a_backup_for_no_day" {
  command = plan

  variables {
    backups = { days = 0 }
  }

  expect_failures = [var.backups]
}

run "refuses_one_location_twice" {
  command = plan

  variables {
    secret_locations = ["europe-west1", "europe-west1"]
  }

  expect_failures = [var.secret_locations]
}
