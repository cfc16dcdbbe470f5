module "sync" {
  source = "../../modules/marketplace_sync"

  project_id       = var.project_id
  region           = var.region
  scheduler_secret = var.scheduler_secret
  operators        = var.operators
  alerts           = { emails = var.alert_emails }
  changes          = var.changes
  data_access_logs = var.data_access_logs

  # Small; `terraform destroy` removes everything.
  protected = false
  api       = { max_instances = 2 }
  worker    = { max_instances = 3 }
}
