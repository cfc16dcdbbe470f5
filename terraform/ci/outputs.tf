output "accounts" {
  description = "E-mails of the accounts, by what their jobs do."
  value       = module.github.accounts
}

output "providers" {
  description = "Workload identity providers, by what their jobs do."
  value       = module.github.providers
}
