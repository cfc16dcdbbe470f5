# One lane of the queue: its topic, its push subscription to the lane's worker, and its dead-letter topic.

locals {
  # The dead letters' names are those of the topic with "-dead" (orchestrator/adapters/google/pubsub.py).
  _tasks = var.lane == "" ? "${var.name}-tasks" : "${var.name}-tasks-${var.lane}"
}

resource "google_pubsub_topic" "tasks" {
  #checkov:skip=CKV_GCP_83: messages hold ids only (orchestrator/model/messages.py); Google's own key encrypts them
  project = var.project_id
  name    = local._tasks
  labels  = var.labels
}

resource "google_pubsub_topic" "dead" {
  #checkov:skip=CKV_GCP_83: the same messages
  project = var.project_id
  name    = "${local._tasks}-dead"
  labels  = var.labels
}

resource "google_service_account" "push" {
  project      = var.project_id
  account_id   = var.lane == "" ? "${var.name}-push" : "${var.name}-push-${var.lane}"
  display_name = trimspace("${var.name} push ${var.lane}")
  description  = "Identity of Pub/Sub's calls to the worker."
}

# Pub/Sub's own account makes the tokens of the pushes, as the push account
# (cloud.google.com/pubsub/docs/authenticate-push-subscriptions), and moves messages to the dead-letter topic. A new
# project has no such account until it is asked for, and one that was asked for is granted no roles by Google
# (cloud.google.com/iam/docs/create-service-agents).
resource "google_project_service_identity" "pubsub" {
  provider = google-beta

  project = var.project_id
  service = "pubsub.googleapis.com"
}

# For a while after its creation a grant may be answered "service account does not exist"
# (github.com/hashicorp/terraform-provider-google/issues/21931).
resource "time_sleep" "agent" {
  create_duration = "60s"
  triggers        = { member = google_project_service_identity.pubsub.member }
}

resource "google_service_account_iam_member" "push_tokens" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = time_sleep.agent.triggers.member
}

resource "google_pubsub_subscription" "worker" {
  project                    = var.project_id
  name                       = "${local._tasks}-worker"
  topic                      = google_pubsub_topic.tasks.id
  labels                     = var.labels
  ack_deadline_seconds       = var.delivery.ack_deadline_seconds
  message_retention_duration = "604800s"

  push_config {
    # The framework reads the topic out of the path.
    push_endpoint = "${var.worker_url}/${google_pubsub_topic.tasks.id}"

    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = var.worker_url
    }
  }

  retry_policy {
    minimum_backoff = "${var.delivery.min_backoff_seconds}s"
    maximum_backoff = "${var.delivery.max_backoff_seconds}s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = var.delivery.max_attempts
  }

  expiration_policy {
    ttl = ""
  }

  # Without a token the first pushes would be refused.
  depends_on = [google_service_account_iam_member.push_tokens]
}

# Without a subscription a dead-letter topic drops its messages.
resource "google_pubsub_subscription" "dead" {
  project                    = var.project_id
  name                       = "${local._tasks}-dead"
  topic                      = google_pubsub_topic.dead.id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.publishers

  project = var.project_id
  topic   = google_pubsub_topic.tasks.name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

resource "google_pubsub_topic_iam_member" "dead_letters_in" {
  project = var.project_id
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = time_sleep.agent.triggers.member
}

resource "google_pubsub_subscription_iam_member" "dead_letters_out" {
  project      = var.project_id
  subscription = google_pubsub_subscription.worker.name
  role         = "roles/pubsub.subscriber"
  member       = time_sleep.agent.triggers.member
}

# The status counts dead letters by Pub/Sub's metric, because a pull would withhold them from others. Time series are granted
# by project alone, so once for all lanes, and monitoring.viewer is the smallest role that has `monitoring.timeSeries.list` and changes nothing
# (cloud.google.com/monitoring/access-control).
resource "google_project_iam_member" "dead_letters_counted" {
  count = var.lane == "" ? 1 : 0

  project = var.project_id
  role    = "roles/monitoring.viewer"
  member  = var.api_member
}

# The worker publishes unreadable messages there itself, so that they are not redelivered again and again; those of
# another lane too, because their lane is unknown.
resource "google_pubsub_topic_iam_member" "unreadable_in" {
  count = var.lane == "" ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = var.worker_member
}
