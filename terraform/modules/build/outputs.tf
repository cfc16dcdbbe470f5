output "build" {
  description = "Source and account of a function's build, for the function module; usable once the permissions have propagated."
  value = {
    bucket          = google_storage_bucket.source.name
    object          = google_storage_bucket_object.source.name
    repository      = google_artifact_registry_repository.images.id
    service_account = google_service_account.build.id
  }
  depends_on = [time_sleep.permissions]
}

output "files" {
  description = "Content of the source archive."
  value       = local.files
}
