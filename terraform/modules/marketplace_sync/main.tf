# Everything of one environment. dev and prod are this module with other values, so they cannot differ in shape.

data "google_project" "this" {
  project_id = var.project_id
}

locals {
  names = { for function in ["api", "worker", "backfill"] : function => "${var.name}-${function}" }
  # Cloud Run's deterministic URLs: known before the functions are, so that a function can be told its own.
  urls = { for function, name in local.names : function => "https://${name}-${data.google_project.this.number}.${var.region}.run.app" }

  # A smaller lane would starve back-fills; idle instances cost nothing.
  backfill_instances = coalesce(var.backfill.max_instances, var.worker.max_instances)

  connection_prefix = "${var.name}-connection-"
  uses_secret       = var.scheduler_auth == "oidc+secret"
  labels            = merge({ app = "marketplace-sync" }, var.labels)

  # Minutes between two ticks, if the schedule has one of these two forms.
  interval_minutes = try(
    tonumber(regex("^\\*/([0-9]+) \\* \\* \\* \\*$", var.scheduler.cron)[0]),
    can(regex("^[0-9]+ \\* \\* \\* \\*$", var.scheduler.cron)) ? 60 : null,
  )
  no_success_minutes = var.alerts.no_success_minutes != null ? var.alerts.no_success_minutes : 2 * local.interval_minutes + 5

  # Of any other schedule, it is taken to be the interval of which two may pass without a success.
  tick_seconds = var.sync.tick_seconds != null ? var.sync.tick_seconds : (
    local.interval_minutes != null ? 60 * local.interval_minutes : min(86400, 30 * max(2, local.no_success_minutes - 5))
  )

  # The workers alone decrypt sellers' credentials.
  worker_environment = merge(local.environment, { VAULT_KEYSET = module.secrets.vault_references["keyset"] })

  # Environment of all functions and of the command line.
  environment = merge({
    ENVIRONMENT          = "production"
    FIRST_SLICE_SECONDS  = tostring(var.sync.first_slice_seconds)
    FIRESTORE_DATABASE   = var.firestore.database
    GOOGLE_CLOUD_PROJECT = var.project_id
    LEASE_SECONDS        = tostring(var.sync.lease_seconds)
    LOG_LEVEL            = var.sync.log_level
    LOOKBACK_SECONDS     = tostring(var.sync.lookback_seconds)
    MAX_ATTEMPTS         = tostring(var.sync.max_attempts)
    RETENTION_DAYS       = tostring(var.sync.retention_days)
    RUN_SECONDS          = tostring(var.sync.run_seconds)
    SLICE_SECONDS        = tostring(var.sync.slice_seconds)
    SYNC_QUEUE           = "pubsub:${module.queue.topic}"
    SYNC_QUEUE_BACKFILL  = "pubsub:${module.queue_backfill.topic}"
    SYNC_STORE           = "firestore"
    TICK_SECONDS         = tostring(local.tick_seconds)
    VAULT_PUBLIC_KEYSET  = module.secrets.vault_references["public-keyset"]
    },
    var.changes ? { SYNC_CHANGES = "pubsub:${google_pubsub_topic.changes[0].name}" } : {},
  )

  # It alone creates secrets.
  command_line = merge(
    local.environment,
    length(var.secret_locations) > 0 ? { SECRET_LOCATIONS = join(",", var.secret_locations) } : {},
  )
}

module "build" {
  source = "../build"

  labels         = local.labels
  name           = var.name
  project_id     = var.project_id
  project_number = data.google_project.this.number
  protected      = var.protected
  region         = var.region
  root           = "${path.module}/../../.."

  depends_on = [time_sleep.apis]
}

module "store" {
  source = "../store"

  backups          = var.backups
  data_access_logs = var.data_access_logs
  database         = var.firestore.database
  location         = coalesce(var.firestore.location, var.region)
  project_id       = var.project_id
  protected        = var.protected
  users            = { api = module.api.member, worker = module.worker.member }

  depends_on = [time_sleep.apis]
}

module "queue" {
  source = "../queue"

  api_member    = module.api.member
  delivery      = var.delivery
  labels        = local.labels
  name          = var.name
  project_id    = var.project_id
  publishers    = { api = module.api.member, worker = module.worker.member }
  worker_member = module.worker.member
  worker_url    = local.urls.worker

  depends_on = [time_sleep.apis]
}

# Continuations of long tasks. Pub/Sub backs off for each subscription, so back-fills that wait for a place in this
# lane slow down nothing in the other one.
module "queue_backfill" {
  source = "../queue"

  api_member    = module.api.member
  delivery      = var.delivery
  labels        = local.labels
  lane          = "backfill"
  name          = var.name
  project_id    = var.project_id
  publishers    = { api = module.api.member, worker = module.worker.member }
  worker_member = module.worker.member
  worker_url    = local.urls.backfill

  depends_on = [time_sleep.apis]
}

module "secrets" {
  source = "../secrets"

  api_member        = module.api.member
  connection_prefix = local.connection_prefix
  labels            = local.labels
  locations         = var.secret_locations
  name              = var.name
  people            = var.operators
  project_id        = var.project_id
  project_number    = data.google_project.this.number
  protected         = var.protected
  scheduler_secret  = local.uses_secret ? var.scheduler_secret : null
  worker_member     = module.worker.member

  depends_on = [time_sleep.apis]
}

module "api" {
  source = "../function"

  build       = module.build.build
  description = "Marketplace sync: HTTP interface, called by Cloud Scheduler and by operators."
  entry_point = "sync_api"
  environment = merge(
    local.environment,
    {
      SCHEDULER_AUDIENCE        = local.urls.api
      SCHEDULER_AUTH            = var.scheduler_auth
      SCHEDULER_SERVICE_ACCOUNT = google_service_account.scheduler.email
    },
    local.uses_secret ? { SCHEDULER_SECRET = module.secrets.scheduler_secret_reference } : {},
    length(var.operators) > 0 ? { OPERATORS = join(",", [for account in google_service_account.operator : account.email]) } : {},
  )
  ingress  = "ALLOW_ALL"
  instance = var.api
  invokers = merge(
    { scheduler = google_service_account.scheduler.member },
    { for key, account in google_service_account.operator : "operator-${key}" => account.member },
  )
  labels     = local.labels
  name       = local.names.api
  project_id = var.project_id
  region     = var.region
  runtime    = var.runtime

  depends_on = [time_sleep.apis]
}

# Only the worker calls marketplaces. `module.egress[*]` waits for the whole module, so for Cloud NAT as well.
module "egress" {
  source = "../egress"
  count  = var.static_egress ? 1 : 0

  name       = var.name
  project_id = var.project_id
  region     = var.region

  depends_on = [time_sleep.apis]
}

module "worker" {
  source = "../function"

  build       = module.build.build
  description = "Marketplace sync: works on the messages that Pub/Sub pushes."
  entry_point = "sync_worker"
  environment = local.worker_environment
  # Pub/Sub of this project counts as internal; nobody else calls it.
  ingress       = "ALLOW_INTERNAL_ONLY"
  instance      = var.worker
  invokers      = { push = module.queue.push_member }
  labels        = local.labels
  name          = local.names.worker
  project_id    = var.project_id
  region        = var.region
  runtime       = var.runtime
  vpc_connector = one(module.egress[*].connector)

  depends_on = [time_sleep.apis]
}

# The same worker a second time, as the same account: it works on continuations.
module "worker_backfill" {
  source = "../function"

  account       = module.worker.account
  build         = module.build.build
  description   = "Marketplace sync: continues long tasks, beside the worker of all other messages."
  entry_point   = "sync_worker"
  environment   = local.worker_environment
  ingress       = "ALLOW_INTERNAL_ONLY"
  instance      = merge(var.backfill, { max_instances = local.backfill_instances })
  invokers      = { push = module.queue_backfill.push_member }
  labels        = local.labels
  name          = local.names.backfill
  project_id    = var.project_id
  region        = var.region
  runtime       = var.runtime
  vpc_connector = one(module.egress[*].connector)

  depends_on = [time_sleep.apis]
}

# Permissions take two minutes to propagate, seldom more than seven (cloud.google.com/iam/docs/access-change-propagation).
# The tick that ends a deployment tries again for the rest. The wait passes beside the longer one for the metrics.
resource "time_sleep" "callers" {
  create_duration = "120s"

  depends_on = [module.api, module.queue, module.queue_backfill, module.secrets, module.store, module.worker, module.worker_backfill]
}

module "scheduler" {
  source = "../marketplace_sync_scheduler"

  attempt_deadline_seconds = var.api.timeout_seconds + 30
  name                     = "${var.name}-tick"
  paused                   = var.scheduler.paused
  project_id               = var.project_id
  region                   = coalesce(var.scheduler.region, var.region)
  retry_config             = var.scheduler.retry_config
  schedule_cron            = var.scheduler.cron
  scheduler_secret         = local.uses_secret ? var.scheduler_secret : null
  service_account_email    = google_service_account.scheduler.email
  sync_endpoint_url        = "${local.urls.api}/api/sync/scheduler"
  time_zone                = var.scheduler.time_zone

  # A new secret is known to the function before the job shows it, so no tick is refused; and whoever takes part in
  # a tick has its permissions before the first one.
  depends_on = [module.api, module.secrets, time_sleep.callers]
}

module "monitoring" {
  source = "../monitoring"

  emails                 = var.alerts.emails
  functions              = [local.names.api, local.names.worker, local.names.backfill]
  labels                 = local.labels
  max_delivery_attempts  = var.delivery.max_attempts
  name                   = var.name
  no_success_minutes     = local.no_success_minutes
  notification_channels  = var.alerts.notification_channels
  oldest_unacked_seconds = var.alerts.oldest_unacked_seconds
  project_id             = var.project_id
  rejects_per_hour       = var.alerts.rejects_per_hour
  runbook_url            = var.alerts.runbook_url
  server_errors          = var.alerts.server_errors
  subscriptions = {
    dead   = [module.queue.dead_subscription, module.queue_backfill.dead_subscription]
    worker = [module.queue.worker_subscription, module.queue_backfill.worker_subscription]
  }

  depends_on = [time_sleep.apis]
}

module "budget" {
  source = "../budget"
  count  = var.budget.billing_account == null ? 0 : 1

  amount                = var.budget.amount
  billing_account       = var.budget.billing_account
  name                  = var.name
  notification_channels = module.monitoring.notification_channels
  project_number        = data.google_project.this.number

  depends_on = [time_sleep.apis]
}
