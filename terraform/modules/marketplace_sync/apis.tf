# The services of Google that the modules use.

locals {
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudscheduler.googleapis.com",
      "firestore.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.static_egress ? ["compute.googleapis.com", "vpcaccess.googleapis.com"] : [],
    var.budget.billing_account == null ? [] : ["billingbudgets.googleapis.com"],
  )
}

resource "google_project_service" "this" {
  for_each = toset(local.apis)

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

# An API that Google lists as enabled may still answer "has not been used in project before or it is disabled": the
# provider's guide advises a sleep (registry.terraform.io/providers/hashicorp/google/latest/docs/guides/google_project_service).
# With a further API it is slept again.
resource "time_sleep" "apis" {
  create_duration = "120s"
  triggers        = { apis = join(" ", sort(local.apis)) }

  depends_on = [google_project_service.this]
}
