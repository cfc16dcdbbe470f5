module "sync" {
  source = "../../modules/marketplace_sync"

  project_id       = var.project_id
  region           = var.region
  scheduler_secret = var.scheduler_secret
  operators        = var.operators
  alerts           = { emails = var.alert_emails }
  changes          = var.changes
  data_access_logs = var.data_access_logs

  # Deleting is refused, and the database of any minute of the last seven days can be restored.
  protected = true
  api       = { max_instances = 5 }
  worker    = { max_instances = 50 }
}
