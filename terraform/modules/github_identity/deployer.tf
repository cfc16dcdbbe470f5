# The account that applies. It can grant itself any role in the project, so whoever may push to the branch owns it.

locals {
  deployer_roles = setunion(var.deployer_roles, [
    "artifactregistry.admin",
    "cloudfunctions.admin",
    "cloudscheduler.admin",
    "datastore.owner",
    "iam.serviceAccountAdmin",
    "iam.serviceAccountUser",
    "logging.configWriter",
    "monitoring.admin",
    "pubsub.admin",
    "resourcemanager.projectIamAdmin",
    "run.admin",
    "secretmanager.admin",
    "serviceusage.serviceUsageAdmin",
    "storage.admin",
  ])
}

resource "google_service_account" "deployer" {
  project      = var.project_id
  account_id   = "${var.name}-deployer"
  display_name = "${var.name} deployer"
  description  = "Identity of ${var.workflow} on ${var.branch} of ${var.repository}."

  depends_on = [time_sleep.apis]
}

resource "google_project_iam_member" "deployer" {
  for_each = local.deployer_roles

  project = var.project_id
  role    = "roles/${each.value}"
  member  = google_service_account.deployer.member
}
