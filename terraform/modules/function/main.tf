# One 2nd-generation function, the account it runs as, and who may call it.

locals {
  _own     = one(google_service_account.this[*])
  _account = var.account != null ? var.account : { email = local._own.email, member = local._own.member, name = local._own.name }
}

resource "google_service_account" "this" {
  count = var.account == null ? 1 : 0

  project      = var.project_id
  account_id   = var.name
  display_name = "${var.name} (function)"
  description  = "Identity of ${var.entry_point}."
}

resource "google_cloudfunctions2_function" "this" {
  project     = var.project_id
  location    = var.region
  name        = var.name
  description = var.description
  labels      = var.labels

  build_config {
    runtime           = var.runtime
    entry_point       = var.entry_point
    service_account   = var.build.service_account
    docker_repository = var.build.repository

    source {
      storage_source {
        bucket = var.build.bucket
        object = var.build.object
      }
    }

    # Google patches the base image of a deployed function without a deployment of ours.
    automatic_update_policy {}
  }

  service_config {
    service_account_email            = local._account.email
    available_cpu                    = tostring(var.instance.cpu)
    available_memory                 = var.instance.memory
    max_instance_request_concurrency = var.instance.concurrency
    min_instance_count               = var.instance.min_instances
    max_instance_count               = var.instance.max_instances
    timeout_seconds                  = var.instance.timeout_seconds
    ingress_settings                 = var.ingress
    vpc_connector                    = var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == null ? null : "ALL_TRAFFIC"
    all_traffic_on_latest_revision   = true

    environment_variables = merge(var.environment, {
      # Read by functions-framework: as many threads as concurrent requests, or requests queue unseen.
      THREADS          = tostring(var.instance.concurrency)
      LOG_EXECUTION_ID = "true"
    })
  }
}

# On the function's Cloud Run service, which has its name: the function itself takes no run.invoker.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.invokers

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = each.value
}
