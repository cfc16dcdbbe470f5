# The promises of the secrets module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

override_resource {
  target          = google_secret_manager_secret.own
  override_during = plan
  values = {
    id = "projects/a-project/secrets/sync-scheduler"
  }
}

variables {
  api_member        = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com"
  connection_prefix = "sync-connection-"
  labels            = {}
  name              = "sync"
  people            = { jane = "user:jane@example.com" }
  project_id        = "a-project"
  project_number    = "123456789012"
  protected         = false
  scheduler_secret  = "0123456789abcdef0123456789abcdef"
  worker_member     = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com"
}

run "secrets" {
  command = plan

  assert {
    condition     = google_secret_manager_secret_version.scheduler[0].secret_data == null && google_secret_manager_secret_version.scheduler[0].secret_data_wo == null
    error_message = "the value is not in the state"
  }

  assert {
    condition     = google_secret_manager_secret_version.scheduler[0].deletion_policy == "ABANDON"
    error_message = "the version before stays enabled, so that a rotation refuses no tick"
  }

  assert {
    condition     = output.scheduler_secret_reference == "projects/a-project/secrets/sync-scheduler/versions/latest"
    error_message = "the function is given a reference"
  }

  assert {
    condition     = google_secret_manager_secret_iam_member.scheduler[0].member == var.api_member && google_secret_manager_secret_iam_member.scheduler[0].role == "roles/secretmanager.secretAccessor"
    error_message = "only the HTTP function reads it"
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.credentials : grant.member == var.worker_member && grant.condition[0].expression == "resource.name.startsWith(\"projects/123456789012/secrets/sync-connection-\")"])
    error_message = "the worker is given secrets by the beginning of their names, and no others"
  }

  assert {
    condition     = toset(keys(google_project_iam_member.credentials)) == toset(["roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionAdder"])
    error_message = "it reads credentials and adds rotated tokens, and no more"
  }

  assert {
    condition     = !anytrue([for secret in google_secret_manager_secret.own : secret.deletion_protection])
    error_message = "an unprotected secret goes with the rest"
  }
}

run "vault" {
  command = plan

  assert {
    condition     = toset([for name, secret in google_secret_manager_secret.own : secret.secret_id if startswith(name, "vault-")]) == toset(["sync-vault-keyset", "sync-vault-public-keyset"])
    error_message = "the vault has two secrets, whatever the number of connections"
  }

  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.vault_worker : grant.member == var.worker_member])
    error_message = "only the worker decrypts, and only the worker adds versions to either keyset"
  }

  assert {
    condition     = toset(keys(google_secret_manager_secret_iam_member.vault_worker)) == toset(["keyset secretAccessor", "keyset secretVersionAdder", "public-keyset secretAccessor", "public-keyset secretVersionAdder"])
    error_message = "the worker reads and adds versions of both, and no more"
  }

  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.vault_people : grant.role == "roles/secretmanager.secretAccessor" && grant.secret_id == "sync-vault-public-keyset"])
    error_message = "people read the public keyset alone"
  }

  assert {
    condition     = output.vault_references["public-keyset"] == "projects/a-project/secrets/sync-vault-public-keyset/versions/latest"
    error_message = "the functions and the command line are given references"
  }
}

run "refuses_everybody_as_people" {
  command = plan

  variables {
    people = { all = "allUsers" }
  }

  expect_failures = [var.people]
}

run "another_secret" {
  command = plan

  variables {
    scheduler_secret = "fedcba9876543210fedcba9876543210"
  }

  assert {
    condition     = nonsensitive(google_secret_manager_secret_version.scheduler[0].secret_data_wo_version != parseint(substr(sha256("0123456789abcdef0123456789abcdef"), 0, 7), 16))
    error_message = "another value is another version"
  }
}

run "protected_secrets" {
  command = plan

  variables {
    protected = true
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.own : secret.deletion_protection])
    error_message = "a protected secret refuses to be deleted"
  }
}

run "no_secret" {
  command = plan

  variables {
    scheduler_secret = null
  }

  assert {
    condition     = !contains(keys(google_secret_manager_secret.own), "scheduler") && length(google_secret_manager_secret_version.scheduler) == 0 && length(google_secret_manager_secret_iam_member.scheduler) == 0
    error_message = "without a shared secret there is none to keep"
  }

  assert {
    condition     = output.scheduler_secret_reference == null
    error_message = "and no reference to it"
  }
}

run "refuses_a_person_for_the_function" {
  command = plan

  variables {
    api_member = "user:jane@example.com"
  }

  expect_failures = [var.api_member]
}

run "refuses_a_prefix_without_an_end" {
  command = plan

  variables {
    connection_prefix = "sync"
  }

  expect_failures = [var.connection_prefix]
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

run "refuses_a_project_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "refuses_a_project_id_for_its_number" {
  command = plan

  variables {
    project_number = "a-project"
  }

  expect_failures = [var.project_number]
}

run "refuses_a_short_secret" {
  command = plan

  variables {
    scheduler_secret = "0123456789abcdef0123456789abcde"
  }

  expect_failures = [var.scheduler_secret]
}

run "refuses_everybody" {
  command = plan

  variables {
    worker_member = "allUsers"
  }

  expect_failures = [var.worker_member]
}

run "google_chooses_the_locations" {
  command = plan

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.own : length(secret.replication[0].auto) == 1 && length(secret.replication[0].user_managed) == 0])
    error_message = "by default each secret is replicated automatically"
  }
}

run "some_locations_only" {
  command = plan

  variables {
    locations = ["europe-west1", "europe-west3"]
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.own : length(secret.replication[0].auto) == 0 && tolist([for replica in secret.replication[0].user_managed[0].replicas : replica.location]) == var.locations])
    error_message = "each secret is in the named regions only"
  }
}

run "refuses_a_continent" {
  command = plan

  variables {
    locations = ["europe"]
  }

  expect_failures = [var.locations]
}
