output "accounts" {
  description = "E-mails of the accounts, by what their jobs do."
  value       = { for key, account in local.accounts : key => account.email }
}

output "providers" {
  description = "Full names of the workload identity providers, by what their jobs do; google-github-actions/auth asks for one."
  value       = { for key, provider in google_iam_workload_identity_pool_provider.this : key => provider.name }
}
