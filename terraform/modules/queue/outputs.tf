output "dead_subscription" {
  description = "Name of the subscription that holds dead messages."
  value       = google_pubsub_subscription.dead.name
}

output "push_member" {
  description = "The account that Pub/Sub calls the worker as, as an IAM member."
  value       = google_service_account.push.member
}

output "topic" {
  description = "Name of the topic that tasks are published to."
  value       = google_pubsub_topic.tasks.name
}

output "worker_subscription" {
  description = "Name of the subscription that pushes to the worker."
  value       = google_pubsub_subscription.worker.name
}
