output "build" {
  description = "What a function is built from and by, as the function module takes it; usable once the permissions hold."
  value = {
    bucket          = google_storage_bucket.source.name
    object          = google_storage_bucket_object.source.name
    repository      = google_artifact_registry_repository.images.id
    service_account = google_service_account.build.id
  }
  depends_on = [time_sleep.permissions]
}

output "files" {
  description = "What the source archive holds."
  value       = local.files
}
