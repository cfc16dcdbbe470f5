# The topic that tells consumers of changed records; each consumer makes a subscription of its own.

resource "google_pubsub_topic" "changes" {
  #checkov:skip=CKV_GCP_83: events hold ids and counts only (orchestrator/model/change_event.py); Google's own key encrypts them
  count = var.changes ? 1 : 0

  project = var.project_id
  name    = "${var.name}-changes"
  labels  = local.labels

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_topic_iam_member" "changes" {
  count = var.changes ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.changes[0].name
  role    = "roles/pubsub.publisher"
  member  = module.worker.member
}
