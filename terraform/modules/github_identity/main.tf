# Who GitHub's jobs are in the project, without any stored key: the branch's workflow is the deployer, a pull request's
# is the planner, and no other repository, branch or workflow is anybody.

locals {
  subject = "${var.repository}/${var.workflow}"

  # Claims of GitHub's tokens (docs.github.com/en/actions/reference/security/oidc). GitHub's tokens all have the same
  # issuer, so the conditions tell ours from those of strangers. A name can be taken over by others once its owner
  # renames or deletes it; a number cannot (github.com/google-github-actions/auth/blob/main/docs/SECURITY_CONSIDERATIONS.md).
  repository = [
    "assertion.repository_id == '${var.repository_id}'",
    "assertion.repository == '${var.repository}'",
  ]
  conditions = {
    deploy = concat(local.repository, [
      "assertion.environment == '${var.environment}'",
      "assertion.event_name == 'push'",
      "assertion.ref == 'refs/heads/${var.branch}'",
      "assertion.workflow_ref == '${local.subject}@refs/heads/${var.branch}'",
    ])
    # GitHub gives pull requests from forks no token.
    plan = concat(local.repository, [
      "assertion.environment == 'plan'",
      "assertion.event_name == 'pull_request'",
      "assertion.base_ref == '${var.branch}'",
      "assertion.workflow_ref.startsWith('${local.subject}@refs/pull/')",
    ])
  }
  accounts = { deploy = google_service_account.deployer, plan = google_service_account.planner }
}

resource "google_project_service" "this" {
  for_each = toset(["iam.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com"])

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

# As in modules/marketplace_sync/apis.tf.
resource "time_sleep" "apis" {
  create_duration = "120s"

  depends_on = [google_project_service.this]
}

resource "google_iam_workload_identity_pool" "this" {
  project                   = var.project_id
  workload_identity_pool_id = "${var.name}-github"
  display_name              = "GitHub"
  description               = "Jobs of ${var.repository}."

  depends_on = [time_sleep.apis]
}

# Each condition has a provider of its own, and each provider an attribute of its own, by which the account is granted:
# a token of the one can never be exchanged for the account of the other.
resource "google_iam_workload_identity_pool_provider" "this" {
  #checkov:skip=CKV_GCP_125: it asks for the claim `sub`, whose form depends on the repository's age; the conditions have its parts
  for_each = local.conditions

  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = each.key
  display_name                       = "GitHub: ${each.key}"
  attribute_condition                = join(" && ", each.value)
  attribute_mapping = {
    "google.subject"         = "assertion.sub"
    "attribute.${each.key}s" = "assertion.repository_id"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "identity" {
  for_each = local.accounts

  service_account_id = each.value.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/attribute.${each.key}s/${var.repository_id}"

  depends_on = [google_iam_workload_identity_pool_provider.this]
}
