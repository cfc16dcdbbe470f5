# The account that plans pull requests. It reads settings, no records and no credentials; but Terraform's state, so it
# knows the scheduler's second factor.

locals {
  # What Terraform reads of each resource that exists (cloud.google.com/iam/docs/roles-permissions). Nothing is read of
  # a project's service identity, nor of what the providers `time` and `archive` hold.
  reads = {
    google_artifact_registry_repository            = ["artifactregistry.repositories.get"]
    google_artifact_registry_repository_iam_member = ["artifactregistry.repositories.getIamPolicy"]
    google_cloud_run_v2_service_iam_member         = ["run.services.getIamPolicy"]
    google_cloud_scheduler_job                     = ["cloudscheduler.jobs.get"]
    google_cloudfunctions2_function                = ["cloudfunctions.functions.get"]
    google_compute_address                         = ["compute.addresses.get"]
    google_compute_firewall                        = ["compute.firewalls.get"]
    google_compute_network                         = ["compute.networks.get"]
    google_compute_router                          = ["compute.routers.get"]
    google_compute_router_nat                      = ["compute.routers.get"]
    google_compute_subnetwork                      = ["compute.subnetworks.get"]
    google_firestore_backup_schedule               = ["datastore.backupSchedules.get"]
    google_firestore_database                      = ["datastore.databases.getMetadata"]
    google_firestore_field                         = ["datastore.indexes.get", "datastore.indexes.list"]
    google_firestore_index                         = ["datastore.indexes.get", "datastore.indexes.list"]
    google_logging_metric                          = ["logging.logMetrics.get"]
    google_monitoring_alert_policy                 = ["monitoring.alertPolicies.get"]
    google_monitoring_dashboard                    = ["monitoring.dashboards.get"]
    google_monitoring_notification_channel         = ["monitoring.notificationChannels.get"]
    google_project                                 = ["resourcemanager.projects.get"]
    google_project_iam_audit_config                = ["resourcemanager.projects.getIamPolicy"]
    google_project_iam_member                      = ["resourcemanager.projects.getIamPolicy"]
    google_project_service                         = ["serviceusage.services.get", "serviceusage.services.list"]
    google_pubsub_subscription                     = ["pubsub.subscriptions.get"]
    google_pubsub_subscription_iam_member          = ["pubsub.subscriptions.getIamPolicy"]
    google_pubsub_topic                            = ["pubsub.topics.get"]
    google_pubsub_topic_iam_member                 = ["pubsub.topics.getIamPolicy"]
    google_secret_manager_secret                   = ["secretmanager.secrets.get"]
    google_secret_manager_secret_iam_member        = ["secretmanager.secrets.getIamPolicy"]
    google_secret_manager_secret_version           = ["secretmanager.versions.get"]
    google_service_account                         = ["iam.serviceAccounts.get"]
    google_service_account_iam_member              = ["iam.serviceAccounts.getIamPolicy"]
    google_storage_bucket                          = ["storage.buckets.get"]
    google_storage_bucket_iam_member               = ["storage.buckets.getIamPolicy"]
    google_vpc_access_connector                    = ["vpcaccess.connectors.get"]
  }
}

resource "google_service_account" "planner" {
  project      = var.project_id
  account_id   = "${var.name}-planner"
  display_name = "${var.name} planner"
  description  = "Identity of ${var.workflow} in pull requests of ${var.repository}; it changes nothing."

  depends_on = [time_sleep.apis]
}

resource "google_project_iam_custom_role" "planner" {
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_planner"
  title       = "${var.name} planner"
  description = "Reads what a plan of ${var.name} compares."
  # Its calls name the project as the one whose quota they use.
  permissions = sort(distinct(concat(["serviceusage.services.use"], flatten(values(local.reads)))))

  depends_on = [time_sleep.apis]
}

resource "google_project_iam_member" "planner" {
  project = var.project_id
  role    = google_project_iam_custom_role.planner.name
  member  = google_service_account.planner.member
}

# Not of all buckets: one of them may hold an export of the database.
resource "google_project_iam_member" "planner_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.planner.member

  condition {
    title       = "functions-source"
    description = "Only the bucket of the functions' source."
    expression  = "resource.name.startsWith(\"projects/_/buckets/${var.project_id}-${var.name}-source/\")"
  }
}

resource "google_storage_bucket_iam_member" "planner_state" {
  bucket = var.state_bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.planner.member
}
