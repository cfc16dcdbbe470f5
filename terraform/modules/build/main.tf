# The source archive, its bucket, and the account and image repository for the functions' builds.

locals {
  # Exactly the files that run on Google Cloud (tests/delivery/terraform/test_archive.py), without those that only
  # the command line uses, and without descriptions.
  _command_line = [
    "orchestrator/__main__.py",
    "orchestrator/marketplaces/forms.py",
    "orchestrator/operators/audit_views.py",
    "orchestrator/operators/checks.py",
    "orchestrator/operators/connections.py",
    "orchestrator/operators/dead_letters.py",
    "orchestrator/operators/log_lines.py",
    "orchestrator/operators/pause.py",
    "orchestrator/operators/reject_views.py",
    "orchestrator/operators/spending.py",
    "orchestrator/operators/stored_records.py",
    "orchestrator/operators/tasks/history.py",
  ]
  _excluded = "(^|/)(__pycache__|cli|page|acting|rejects|sellers)/|(^|/)mapping\\.py$|\\.(pyc|ya?ml|md|typed)$"
  files = sort(concat(
    ["main.py", "requirements.txt"],
    [
      for file in concat(
        [for file in fileset("${var.root}/functions", "**") : "functions/${file}"],
        [for file in fileset("${var.root}/orchestrator", "**") : "orchestrator/${file}"],
      ) : file if length(regexall(local._excluded, file)) == 0 && !contains(local._command_line, file)
    ],
  ))
  # A hash of names and contents alone, so that it is the same on every machine, unlike the zip's own.
  digest = sha256(join("\n", [for file in local.files : "${filesha256("${var.root}/${file}")}  ${file}"]))
}

data "archive_file" "source" {
  type             = "zip"
  output_path      = "${path.root}/.terraform/source-${local.digest}.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.files

    content {
      filename = source.value
      content  = file("${var.root}/${source.value}")
    }
  }
}

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_62: holds only files of this repository; the audit log records its readers
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-source"
  location                    = var.region
  labels                      = var.labels
  force_destroy               = !var.protected
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }
}

resource "google_storage_bucket_object" "source" {
  name   = "source-${local.digest}.zip"
  bucket = google_storage_bucket.source.name
  source = data.archive_file.source.output_path
}

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84: Google's own key encrypts these images; they hold open-source code and no data
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name}-functions"
  description   = "Images that Cloud Build makes of the functions."
  format        = "DOCKER"
  labels        = var.labels

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }
}

resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.name}-build"
  display_name = "${var.name} build"
  description  = "Identity of Cloud Build for the functions' builds."
}

resource "google_storage_bucket_iam_member" "build_source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

# Cloud Functions copies the archive into a bucket of its own and builds from there.
resource "google_project_iam_member" "build_copy" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member

  condition {
    title       = "functions-source-copies"
    description = "Only the bucket that Cloud Functions copies sources to."
    expression  = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${var.project_number}-${var.region}/\")"
  }
}

resource "google_artifact_registry_repository_iam_member" "build_images" {
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

# New permissions take up to a minute to propagate; the first build fails without them.
resource "time_sleep" "permissions" {
  create_duration = "60s"

  depends_on = [
    google_artifact_registry_repository_iam_member.build_images,
    google_project_iam_member.build_copy,
    google_project_iam_member.build_logs,
    google_storage_bucket_iam_member.build_source,
  ]
}
