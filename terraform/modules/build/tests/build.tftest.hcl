# The promises of the build module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

mock_provider "archive" {
  override_during = plan
}

override_resource {
  target          = google_service_account.build
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-build@a-project.iam.gserviceaccount.com"
    email  = "sync-build@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-build@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_artifact_registry_repository.images
  override_during = plan
  values = {
    name = "sync-functions"
    id   = "projects/a-project/locations/europe-west1/repositories/sync-functions"
  }
}

variables {
  labels         = {}
  name           = "sync"
  project_id     = "a-project"
  project_number = "123456789012"
  protected      = false
  region         = "europe-west1"
  root           = "../../.."
}

run "source" {
  command = plan

  assert {
    condition     = contains(output.files, "main.py") && contains(output.files, "requirements.txt")
    error_message = "the entry points and the requirements are in the archive"
  }

  assert {
    condition     = alltrue([for file in output.files : can(regex("^(main\\.py|requirements\\.txt|(functions|orchestrator)/.*\\.py)$", file))])
    error_message = "only code is in the archive"
  }

  assert {
    condition     = alltrue([for file in output.files : !startswith(file, "orchestrator/cli/") && file != "orchestrator/__main__.py"])
    error_message = "the command line stays at home"
  }

  assert {
    condition     = google_storage_bucket_object.source.name == "source-${local.digest}.zip"
    error_message = "another content has another name, so the functions are built anew"
  }

  assert {
    condition     = google_storage_bucket.source.public_access_prevention == "enforced" && google_storage_bucket.source.uniform_bucket_level_access
    error_message = "nobody outside reads the bucket"
  }

  assert {
    condition     = google_storage_bucket.source.versioning[0].enabled && google_storage_bucket.source.force_destroy
    error_message = "an unprotected bucket goes with its content"
  }

  assert {
    condition     = output.build.service_account == google_service_account.build.id
    error_message = "functions are built by the build account"
  }

  assert {
    condition     = google_storage_bucket_iam_member.build_source.role == "roles/storage.objectViewer" && google_storage_bucket_iam_member.build_source.bucket == "a-project-sync-source"
    error_message = "the build reads the source"
  }

  assert {
    condition     = google_project_iam_member.build_copy.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-123456789012-europe-west1/\")"
    error_message = "in the project it reads only the copies that Cloud Functions makes"
  }

  assert {
    condition     = google_artifact_registry_repository_iam_member.build_images.role == "roles/artifactregistry.writer" && google_artifact_registry_repository_iam_member.build_images.repository == "sync-functions"
    error_message = "it writes images to its own repository only"
  }

  assert {
    condition     = google_project_iam_member.build_logs.role == "roles/logging.logWriter"
    error_message = "it writes its log"
  }

  assert {
    condition     = time_sleep.permissions.create_duration == "60s"
    error_message = "the first build waits for the permissions"
  }
}

run "protected_source" {
  command = plan

  variables {
    protected = true
  }

  assert {
    condition     = !google_storage_bucket.source.force_destroy
    error_message = "a protected bucket is not deleted with its content"
  }
}

# Together, because a plan of this module reads the whole source and takes seconds.
run "refuses_what_google_would_refuse" {
  command = plan

  variables {
    labels         = { Team = "Sync" }
    name           = "marketplace-sync-1"
    project_id     = "123456789012"
    project_number = "a-project"
    region         = "europe-west1-b"
    root           = "."
  }

  expect_failures = [var.labels, var.name, var.project_id, var.project_number, var.region, var.root]
}
