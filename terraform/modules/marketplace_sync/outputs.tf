output "changes_topic" {
  description = "Full name of the topic that tells of changed records; null if there is none."
  value       = var.changes ? "projects/${var.project_id}/topics/${google_pubsub_topic.changes[0].name}" : null
}

output "command_line_environment" {
  description = "Environment of `marketplace-sync`, as export lines."
  value       = join("\n", [for name, value in local.command_line : "export ${name}='${value}'"])
}

output "connection_prefix" {
  description = "Prefix of the names of the sellers' credentials in Secret Manager."
  value       = local.connection_prefix
}

output "egress_address" {
  description = "The address that marketplaces see the worker's calls come from; null if it changes."
  value       = one(module.egress[*].address)
}

output "operators" {
  description = "The account that each operator acts as."
  value       = { for key, account in google_service_account.operator : key => account.email }
}

output "project_id" {
  description = "The project."
  value       = var.project_id
}

output "protected" {
  description = "Whether deleting is refused."
  value       = var.protected
}

output "scheduler" {
  description = "The Cloud Scheduler job and its region."
  value       = { job = module.scheduler.job, region = coalesce(var.scheduler.region, var.region) }
}

output "url" {
  description = "URL of the HTTP function, and audience of operators' tokens."
  value       = local.urls.api
}
