output "scheduler_secret_reference" {
  description = "Reference by which the HTTP function reads the scheduler's secret: its latest version and, while enabled, the one before. Null if there is no secret; usable once the secret has a value that the function may read."
  value       = local.has_scheduler_secret ? "projects/${var.project_id}/secrets/${google_secret_manager_secret.own["scheduler"].secret_id}/versions/latest" : null
  depends_on  = [google_secret_manager_secret_version.scheduler, google_secret_manager_secret_iam_member.scheduler]
}

output "vault_references" {
  description = "References of the vault's keysets, by name: `keyset`, which the worker alone may read, and `public-keyset`."
  value       = { for name in ["keyset", "public-keyset"] : name => "projects/${var.project_id}/secrets/${google_secret_manager_secret.own["vault-${name}"].secret_id}/versions/latest" }
  depends_on  = [google_secret_manager_secret_iam_member.vault_worker]
}
