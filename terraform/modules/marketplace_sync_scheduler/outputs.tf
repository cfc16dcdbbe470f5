output "audience" {
  description = "What the job's tokens are made out to."
  value       = local.audience
}

output "job" {
  description = "Name of the job."
  value       = google_cloud_scheduler_job.this.name
}
