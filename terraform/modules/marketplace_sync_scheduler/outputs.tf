output "audience" {
  description = "Audience of the job's tokens."
  value       = local.audience
}

output "job" {
  description = "Name of the job."
  value       = google_cloud_scheduler_job.this.name
}
