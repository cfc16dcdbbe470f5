module "sync" {
  source = "../../modules/marketplace_sync"

  project_id       = var.project_id
  region           = var.region
  scheduler_secret = var.scheduler_secret
  operators        = var.operators
  alerts           = { emails = var.alert_emails }
  backups          = var.backups
  budget           = var.budget
  changes          = var.changes
  cpu_quota        = var.cpu_quota
  data_access_logs = var.data_access_logs
  secret_locations = var.secret_locations
  static_egress    = var.static_egress

  # Small; `terraform destroy` removes everything.
  protected = false
  api       = { max_instances = var.max_instances.api }
  worker    = { max_instances = var.max_instances.worker }
}
