# The scheduler's secret, the vault's two keysets, and the right to sellers' credentials that are secrets of their
# own. No keyset and no credential passes through Terraform: the worker makes the keysets.

locals {
  has_scheduler_secret = nonsensitive(var.scheduler_secret != null)
}

# The vault's are empty until the worker has handled `vault init`.
resource "google_secret_manager_secret" "own" {
  for_each = toset(concat(["vault-keyset", "vault-public-keyset"], local.has_scheduler_secret ? ["scheduler"] : []))

  project             = var.project_id
  secret_id           = "${var.name}-${each.value}"
  labels              = var.labels
  deletion_protection = var.protected

  # Where the policy gcp.resourceLocations forbids "global", it refuses automatic replication. Locations can never be changed
  # (cloud.google.com/secret-manager/docs/choosing-replication).
  replication {
    dynamic "auto" {
      for_each = length(var.locations) == 0 ? [1] : []

      content {}
    }

    dynamic "user_managed" {
      for_each = length(var.locations) == 0 ? [] : [1]

      content {
        dynamic "replicas" {
          for_each = var.locations

          content {
            location = replicas.value
          }
        }
      }
    }
  }
}

moved {
  from = google_secret_manager_secret.scheduler[0]
  to   = google_secret_manager_secret.own["scheduler"]
}

moved {
  from = google_secret_manager_secret.vault["keyset"]
  to   = google_secret_manager_secret.own["vault-keyset"]
}

moved {
  from = google_secret_manager_secret.vault["public-keyset"]
  to   = google_secret_manager_secret.own["vault-public-keyset"]
}

resource "google_secret_manager_secret_version" "scheduler" {
  count = local.has_scheduler_secret ? 1 : 0

  secret         = google_secret_manager_secret.own["scheduler"].id
  secret_data_wo = var.scheduler_secret
  # A write-only value is not in the state, so this tells Terraform that it has changed.
  secret_data_wo_version = parseint(substr(sha256(var.scheduler_secret), 0, 7), 16)
  # The version before stays enabled: both are accepted until it is disabled by hand (docs/deploy.md).
  deletion_policy = "ABANDON"
}

resource "google_secret_manager_secret_iam_member" "scheduler" {
  count = local.has_scheduler_secret ? 1 : 0

  project   = var.project_id
  secret_id = google_secret_manager_secret.own["scheduler"].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.api_member
}

# The worker alone reads the keyset that decrypts, and adds versions to both.
resource "google_secret_manager_secret_iam_member" "vault_worker" {
  for_each = {
    for pair in setproduct(["keyset", "public-keyset"], ["secretAccessor", "secretVersionAdder"]) : join(" ", pair) => pair
  }

  project   = var.project_id
  secret_id = google_secret_manager_secret.own["vault-${each.value[0]}"].secret_id
  role      = "roles/secretmanager.${each.value[1]}"
  member    = var.worker_member
}

# Who adds sellers encrypts with the public keyset, and decrypts nothing.
resource "google_secret_manager_secret_iam_member" "vault_people" {
  for_each = var.people

  project   = var.project_id
  secret_id = google_secret_manager_secret.own["vault-public-keyset"].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value
}

# By the prefix of the name, because connections are added and removed without Terraform. If a marketplace
# rotates its refresh tokens, the worker adds the new one as a version.
resource "google_project_iam_member" "credentials" {
  for_each = toset(["roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionAdder"])

  project = var.project_id
  role    = each.value
  member  = var.worker_member

  condition {
    title       = "connection-credentials"
    description = "Only secrets whose names start with ${var.connection_prefix}"
    expression  = "resource.name.startsWith(\"projects/${var.project_number}/secrets/${var.connection_prefix}\")"
  }
}
