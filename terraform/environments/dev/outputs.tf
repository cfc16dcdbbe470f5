output "changes_topic" {
  description = "Full name of the topic that tells of changed records; null if there is none."
  value       = module.sync.changes_topic
}

output "command_line_environment" {
  description = "Environment of `marketplace-sync`: eval \"$(terraform output -raw command_line_environment)\"."
  value       = module.sync.command_line_environment
}

output "connection_prefix" {
  description = "Prefix of the names of the sellers' credentials in Secret Manager."
  value       = module.sync.connection_prefix
}

output "egress_address" {
  description = "The address that marketplaces see the worker's calls come from; null if it changes."
  value       = module.sync.egress_address
}

output "operators" {
  description = "The account that each operator acts as."
  value       = module.sync.operators
}

output "project_id" {
  description = "The project."
  value       = module.sync.project_id
}

output "protected" {
  description = "Whether deleting is refused."
  value       = module.sync.protected
}

output "scheduler" {
  description = "The Cloud Scheduler job and its region."
  value       = module.sync.scheduler
}

output "url" {
  description = "URL of the HTTP function, and audience of operators' tokens."
  value       = module.sync.url
}
