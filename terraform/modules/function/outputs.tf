output "account_id" {
  description = "Id of the account the function runs as: projects/P/serviceAccounts/EMAIL."
  value       = local._account.name
}

output "email" {
  description = "E-mail of the account the function runs as."
  value       = local._account.email
}

output "member" {
  description = "The same as an IAM member: serviceAccount:EMAIL."
  value       = local._account.member
}

output "name" {
  description = "Name of the function and of its Cloud Run service."
  value       = google_cloudfunctions2_function.this.name
}

output "account" {
  description = "The account it runs as, for another function with the same identity."
  value       = local._account
}
