# The promises of the function module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

override_resource {
  target          = google_service_account.this
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    email  = "sync-api@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com"
  }
}

variables {
  build = {
    bucket          = "a-bucket"
    object          = "source-1.zip"
    repository      = "projects/a-project/locations/europe-west1/repositories/sync-functions"
    service_account = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
  }
  entry_point = "sync_api"
  environment = { LOG_LEVEL = "INFO" }
  ingress     = "ALLOW_ALL"
  instance = {
    concurrency     = 16
    cpu             = 1
    max_instances   = 3
    memory          = "512Mi"
    min_instances   = 0
    timeout_seconds = 120
  }
  invokers   = { scheduler = "serviceAccount:sync-scheduler@a-project.iam.gserviceaccount.com" }
  name       = "sync-api"
  project_id = "a-project"
  region     = "europe-west1"
}

run "function" {
  command = plan

  assert {
    condition     = google_cloudfunctions2_function.this.build_config[0].entry_point == "sync_api" && google_cloudfunctions2_function.this.build_config[0].runtime == "python313"
    error_message = "the function is built from the given entry point on the newest Python that is pinned for"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.build_config[0].service_account == var.build.service_account && google_cloudfunctions2_function.this.build_config[0].docker_repository == var.build.repository
    error_message = "the build has its own account and repository"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.build_config[0].source[0].storage_source[0].object == "source-1.zip"
    error_message = "the function is built from the given archive"
  }

  assert {
    condition     = length(google_cloudfunctions2_function.this.build_config[0].automatic_update_policy) == 1
    error_message = "Google mends the base image"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].service_account_email == google_service_account.this[0].email
    error_message = "the function runs as its own account"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables["THREADS"] == tostring(google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency)
    error_message = "there are as many threads as requests at once"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables["LOG_LEVEL"] == "INFO"
    error_message = "the environment is handed on"
  }

  assert {
    condition     = length(google_cloudfunctions2_function.this.event_trigger) == 0
    error_message = "no trigger of its own: it would bring a subscription without dead letters"
  }

  assert {
    condition     = google_cloud_run_v2_service_iam_member.invoker["scheduler"].role == "roles/run.invoker" && google_cloud_run_v2_service_iam_member.invoker["scheduler"].name == "sync-api"
    error_message = "the invoker is let in to the service beneath the function"
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 1
    error_message = "nobody else is let in"
  }
}

run "refuses_a_build_that_is_no_archive" {
  command = plan

  variables {
    build = { bucket = "b", object = "source.tar", repository = "r", service_account = "s" }
  }

  expect_failures = [var.build]
}

run "refuses_an_endless_description" {
  command = plan

  variables {
    description = join("", [for n in range(201) : "x"])
  }

  expect_failures = [var.description]
}

run "refuses_an_entry_point_that_is_no_name" {
  command = plan

  variables {
    entry_point = "sync-api"
  }

  expect_failures = [var.entry_point]
}

run "refuses_lower_case_variables" {
  command = plan

  variables {
    environment = { log_level = "INFO" }
  }

  expect_failures = [var.environment]
}

run "refuses_ingress_through_a_balancer" {
  command = plan

  variables {
    ingress = "ALLOW_INTERNAL_AND_GCLB"
  }

  expect_failures = [var.ingress]
}

run "refuses_memory_without_a_unit" {
  command = plan

  variables {
    instance = { concurrency = 16, cpu = 1, max_instances = 3, memory = "512", min_instances = 0, timeout_seconds = 120 }
  }

  expect_failures = [var.instance]
}

run "refuses_a_part_of_a_cpu" {
  command = plan

  variables {
    instance = { concurrency = 16, cpu = 0.5, max_instances = 3, memory = "512Mi", min_instances = 0, timeout_seconds = 120 }
  }

  expect_failures = [var.instance]
}

run "refuses_no_concurrency" {
  command = plan

  variables {
    instance = { concurrency = 0, cpu = 1, max_instances = 3, memory = "512Mi", min_instances = 0, timeout_seconds = 120 }
  }

  expect_failures = [var.instance]
}

run "refuses_more_instances_at_least_than_at_most" {
  command = plan

  variables {
    instance = { concurrency = 16, cpu = 1, max_instances = 3, memory = "512Mi", min_instances = 4, timeout_seconds = 120 }
  }

  expect_failures = [var.instance]
}

run "refuses_a_timeout_over_an_hour" {
  command = plan

  variables {
    instance = { concurrency = 16, cpu = 1, max_instances = 3, memory = "512Mi", min_instances = 0, timeout_seconds = 3601 }
  }

  expect_failures = [var.instance]
}

run "refuses_everybody" {
  command = plan

  variables {
    invokers = { everybody = "allUsers" }
  }

  expect_failures = [var.invokers]
}

run "refuses_capital_labels" {
  command = plan

  variables {
    labels = { Team = "Sync" }
  }

  expect_failures = [var.labels]
}

run "refuses_a_short_name" {
  command = plan

  variables {
    name = "api"
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

run "refuses_an_old_runtime" {
  command = plan

  variables {
    runtime = "python310"
  }

  expect_failures = [var.runtime]
}

run "leaves_as_google_chooses" {
  command = plan

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].vpc_connector == null && google_cloudfunctions2_function.this.service_config[0].vpc_connector_egress_settings == null
    error_message = "without a connector there is none"
  }
}

run "leaves_through_a_connector" {
  command = plan

  variables {
    vpc_connector = "projects/a-project/locations/europe-west1/connectors/sync-egress"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].vpc_connector == var.vpc_connector && google_cloudfunctions2_function.this.service_config[0].vpc_connector_egress_settings == "ALL_TRAFFIC"
    error_message = "calls to public addresses take it too, or marketplaces would see other addresses"
  }
}

run "refuses_a_connector_without_its_full_name" {
  command = plan

  variables {
    vpc_connector = "sync-egress"
  }

  expect_failures = [var.vpc_connector]
}

run "runs_as_another_function" {
  command = plan

  variables {
    account = { email = "sync-worker@a-project.iam.gserviceaccount.com", member = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com", name = "projects/a-project/serviceAccounts/sync-worker@a-project.iam.gserviceaccount.com" }
  }

  assert {
    condition     = length(google_service_account.this) == 0 && google_cloudfunctions2_function.this.service_config[0].service_account_email == var.account.email && output.member == var.account.member
    error_message = "it has the other function's account and no other one"
  }
}

run "refuses_an_account_of_two_names" {
  command = plan

  variables {
    account = { email = "a@a-project.iam.gserviceaccount.com", member = "serviceAccount:b@a-project.iam.gserviceaccount.com", name = "a" }
  }

  expect_failures = [var.account]
}
