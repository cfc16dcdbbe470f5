output "account_id" {
  description = "Id of the account the function runs as: projects/P/serviceAccounts/EMAIL."
  value       = google_service_account.this.name
}

output "email" {
  description = "E-mail of the account the function runs as."
  value       = google_service_account.this.email
}

output "member" {
  description = "The same as an IAM member: serviceAccount:EMAIL."
  value       = google_service_account.this.member
}

output "name" {
  description = "Name of the function and of its Cloud Run service."
  value       = google_cloudfunctions2_function.this.name
}
