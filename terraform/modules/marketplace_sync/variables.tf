variable "alerts" {
  description = "Recipients and thresholds of the alerts."
  type = object({
    emails                 = optional(set(string), [])
    no_success_minutes     = optional(number) # default: two intervals and five minutes, if the schedule is */N or hourly
    notification_channels  = optional(set(string), [])
    oldest_unacked_seconds = optional(number, 1800)
    rejects_per_hour       = optional(number, 10)
    runbook_url            = optional(string, "") # docs/operating.md as the operators open it
    server_errors          = optional(number, 5)  # answers with 5xx in a quarter of an hour
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alerts.no_success_minutes != null || can(regex("^(\\*/[0-9]+|[0-9]+) \\* \\* \\* \\*$", var.scheduler.cron))
    error_message = "alerts.no_success_minutes: give the number of minutes without a successful run that raises an alert; it has a default only for schedules such as \"*/15 * * * *\" and \"0 * * * *\"."
  }
}

variable "api" {
  description = "Size of the HTTP function."
  type = object({
    concurrency     = optional(number, 16)
    cpu             = optional(number, 1)
    max_instances   = optional(number, 3)
    memory          = optional(string, "512Mi")
    min_instances   = optional(number, 0)
    timeout_seconds = optional(number, 120)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.api.timeout_seconds >= 30 && var.api.timeout_seconds <= 1770
    error_message = "api.timeout_seconds is from 30 to 1770: Cloud Scheduler waits 30 seconds longer, and 1800 at most."
  }
}

variable "backfill" {
  description = "Size of the worker of continuations: each takes a whole slice. max_instances: by default the worker's."
  # The process takes 130 MiB, a task with small answers up to 40 MiB, one with large answers up to 110 MiB. At most
  # four of the eight tasks may have large ones at once (see var.worker): 1 GiB holds the worst case.
  type = object({
    concurrency     = optional(number, 8)
    cpu             = optional(number, 1)
    max_instances   = optional(number)
    memory          = optional(string, "1Gi")
    min_instances   = optional(number, 0)
    timeout_seconds = optional(number, 540)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.backfill.timeout_seconds >= var.worker.timeout_seconds && var.backfill.timeout_seconds <= 600
    error_message = "backfill.timeout_seconds is at least worker.timeout_seconds, and at most 600: Pub/Sub waits no longer for an answer."
  }
}

variable "backups" {
  description = "Backups of the database: days that each daily one is kept, weeks that each weekly one is kept."
  type = object({
    days  = optional(number, 7)
    weeks = optional(number, 4)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(range(1, 8), var.backups.days) && contains(range(1, 15), var.backups.weeks)
    error_message = "backups.days is a whole number from 1 to 7, backups.weeks from 1 to 14: Google keeps no backup for longer."
  }
}

variable "budget" {
  description = "A budget for the project: the amount of a month in the billing account's currency, and that account; without an account there is no budget."
  type = object({
    amount          = optional(number)
    billing_account = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = (var.budget.amount == null) == (var.budget.billing_account == null)
    error_message = "budget has both an amount and a billing_account, or neither."
  }
}

variable "changes" {
  description = "Whether consumers are told of changed records, by a topic of their own (docs/changes.md)."
  type        = bool
  default     = false
  nullable    = false
}

variable "cpu_quota" {
  description = "The region's quota of vCPUs for Cloud Run (\"Total CPU allocation, in milli vCPU, per project per region\"); a new project has 20. Google refuses functions whose instances could together exceed it."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.api.cpu * var.api.max_instances + var.worker.cpu * var.worker.max_instances + var.backfill.cpu * coalesce(var.backfill.max_instances, var.worker.max_instances) <= var.cpu_quota
    error_message = "api.cpu × api.max_instances + worker.cpu × worker.max_instances + backfill.cpu × backfill.max_instances must not exceed cpu_quota: or the apply fails with \"CpuAllocPerProjectRegion\". Ask Google for a higher quota, then set cpu_quota (docs/deploy.md, Quotas)."
  }
}

variable "data_access_logs" {
  description = "Whether Google logs who writes documents, the functions aside. Other audit settings of Firestore in the project are replaced."
  type        = bool
  default     = false
  nullable    = false
}

variable "delivery" {
  description = "How Pub/Sub delivers messages to the worker."
  type = object({
    ack_deadline_seconds = optional(number, 600)
    max_attempts         = optional(number, 100)
    max_backoff_seconds  = optional(number, 60)
    min_backoff_seconds  = optional(number, 10)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.delivery.max_attempts * var.delivery.max_backoff_seconds >= 6000
    error_message = "delivery.max_attempts × delivery.max_backoff_seconds is at least 6000: a message that waits for a free worker is refused again and again, and must not become a dead letter meanwhile."
  }
  validation {
    condition     = max(var.worker.timeout_seconds, var.backfill.timeout_seconds) <= var.delivery.ack_deadline_seconds
    error_message = "delivery.ack_deadline_seconds must be at least the workers' timeout_seconds: or a message is redelivered while a worker handles it."
  }
  validation {
    condition     = var.delivery.ack_deadline_seconds <= var.sync.lease_seconds
    error_message = "delivery.ack_deadline_seconds must not exceed sync.lease_seconds: or a lease ends before its message is redelivered."
  }
  validation {
    condition     = var.delivery.max_attempts > var.sync.max_attempts
    error_message = "delivery.max_attempts must be above sync.max_attempts: a task must fail before its message becomes a dead letter."
  }
}

variable "firestore" {
  description = "The database; its location (null: the region) can never be changed."
  type = object({
    database = optional(string, "(default)")
    location = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^(\\(default\\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$", var.firestore.database))
    error_message = "firestore.database is \"(default)\", or 4 to 63 lower-case letters, digits and hyphens."
  }
}

variable "labels" {
  description = "Labels of everything that takes them, beside app = marketplace-sync."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, \"_\" and \"-\", at most 63 characters; keys start with a letter."
  }
}

variable "name" {
  description = "Prefix of all names; another one for a second environment in the same project."
  type        = string
  default     = "sync"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name has 3 to 16 lower-case letters, digits and hyphens, starts with a letter and does not end with a hyphen."
  }
}

variable "operators" {
  description = "Operators, who may read, start, retry and cancel runs: IAM members by a short name, which run records carry."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.operators) : can(regex("^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$", key))])
    error_message = "operators: the short names have at most 10 lower-case letters, digits and hyphens, and start with a letter."
  }
  validation {
    condition     = alltrue([for member in values(var.operators) : can(regex("^(user|group|serviceAccount):[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", member))])
    error_message = "operators: the members are \"user:jane@example.com\", \"group:ops@example.com\" or \"serviceAccount:ci@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is the project's id (not its name or number): 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "protected" {
  description = "Whether the database, secrets and sources are kept from being deleted, and the database's last seven days can be restored."
  type        = bool
  nullable    = false
}

variable "region" {
  description = "Region of everything."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region such as \"europe-west1\" (gcloud functions regions list)."
  }
}

variable "runtime" {
  description = "Python runtime of all functions."
  type        = string
  default     = "python313"
  nullable    = false

  validation {
    condition     = contains(["python311", "python312", "python313"], var.runtime)
    error_message = "runtime is \"python311\", \"python312\" or \"python313\": requirements.txt is pinned for these."
  }
}

variable "scheduler" {
  description = "Times of the ticks; `region` if Cloud Scheduler is in another region than the rest."
  type = object({
    cron      = optional(string, "*/15 * * * *")
    paused    = optional(bool, false)
    region    = optional(string)
    time_zone = optional(string, "Etc/UTC")
    retry_config = optional(object({
      max_backoff_seconds = optional(number, 60)
      max_doublings       = optional(number, 3)
      min_backoff_seconds = optional(number, 10)
      retry_count         = optional(number, 3)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^\\S+( \\S+){4}$", var.scheduler.cron))
    error_message = "scheduler.cron has five unix-cron fields: \"*/15 * * * *\"."
  }
}

variable "scheduler_auth" {
  description = "Credentials that the HTTP function requires of the scheduler. Cloud Run always requires the token."
  type        = string
  default     = "oidc+secret"
  nullable    = false

  validation {
    condition     = contains(["oidc+secret", "oidc"], var.scheduler_auth)
    error_message = "scheduler_auth is \"oidc+secret\", or \"oidc\" to have no shared secret in the job and in Terraform's state."
  }
}

variable "scheduler_secret" {
  description = "The second factor of \"oidc+secret\": give it as TF_VAR_scheduler_secret, never in a file."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.scheduler_auth == "oidc" || (var.scheduler_secret != null && can(regex("^[!-~]{32,512}$", var.scheduler_secret)))
    error_message = "scheduler_secret has 32 to 512 printable ASCII characters without spaces: export TF_VAR_scheduler_secret=\"$(openssl rand -hex 32)\"."
  }
}

variable "secret_locations" {
  description = "Regions that hold the secrets, for an organization that allows only some (gcp.resourceLocations). Empty: Google chooses. A secret that exists is not moved."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for location in var.secret_locations : can(regex("^[a-z]+-[a-z]+[0-9]+$", location))]) && length(distinct(var.secret_locations)) == length(var.secret_locations)
    error_message = "secret_locations are different regions such as \"europe-west1\"."
  }
}

variable "static_egress" {
  description = "Whether the worker calls marketplaces from one address that does not change, for those that allow-list addresses."
  type        = bool
  default     = false
  nullable    = false
}

variable "sync" {
  description = "The sync's own settings; docs/settings.md explains each value."
  type = object({
    first_slice_seconds = optional(number, 60)
    lease_seconds       = optional(number, 600)
    log_level           = optional(string, "INFO")
    lookback_seconds    = optional(number, 600)
    max_attempts        = optional(number, 5)
    retention_days      = optional(number, 30)
    run_seconds         = optional(number, 3600)
    slice_seconds       = optional(number, 480)
    tick_seconds        = optional(number) # default: the schedule's interval, if the schedule is */N or hourly
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.sync.slice_seconds >= 1 && var.sync.slice_seconds + 30 < var.worker.timeout_seconds
    error_message = "sync.slice_seconds + 30 must be below worker.timeout_seconds: the worker needs the rest to checkpoint and hand over."
  }
  validation {
    condition     = var.sync.first_slice_seconds >= 1 && var.sync.first_slice_seconds <= var.sync.slice_seconds && floor(var.sync.first_slice_seconds) == var.sync.first_slice_seconds
    error_message = "sync.first_slice_seconds is a whole number from 1 to sync.slice_seconds."
  }
  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], var.sync.log_level)
    error_message = "sync.log_level is DEBUG, INFO, WARNING, ERROR or CRITICAL."
  }
  validation {
    condition     = var.sync.lease_seconds <= 86400 && var.sync.lookback_seconds >= 0 && var.sync.lookback_seconds <= 604800 && var.sync.run_seconds >= 1 && var.sync.run_seconds <= 604800
    error_message = "sync.lease_seconds is at most 86400; lookback_seconds is from 0 and run_seconds from 1 to 604800."
  }
  validation {
    condition     = var.sync.max_attempts >= 1 && var.sync.max_attempts <= 19
    error_message = "sync.max_attempts is from 1 to 19."
  }
  validation {
    condition     = var.sync.retention_days >= 2 && var.sync.retention_days <= 3650
    error_message = "sync.retention_days is from 2 to 3650."
  }
  validation {
    condition     = var.sync.retention_days * 86400 >= var.sync.run_seconds + 86400
    error_message = "sync.retention_days is at least a day more than sync.run_seconds: a run's documents must not expire while it is open."
  }
  validation {
    condition     = try(var.sync.tick_seconds >= 1 && var.sync.tick_seconds <= 86400 && floor(var.sync.tick_seconds) == var.sync.tick_seconds, var.sync.tick_seconds == null)
    error_message = "sync.tick_seconds is a whole number from 1 to 86400."
  }
  validation {
    condition     = alltrue([for value in [var.sync.lease_seconds, var.sync.lookback_seconds, var.sync.max_attempts, var.sync.retention_days, var.sync.run_seconds, var.sync.slice_seconds] : floor(value) == value])
    error_message = "sync: seconds, days and attempts are whole numbers."
  }
}

variable "worker" {
  description = "Size of the worker of first slices. More instances begin more connections at once: concurrency × max_instances."
  # An idle task takes 12 ms of CPU in two seconds of waiting, and 32 of them take 130 MiB together. A task with small
  # answers takes up to 40 MiB, with a marketplace's largest answers up to 110 MiB, and four tasks of an instance may
  # have those at once: 2 GiB hold 32 tasks in the worst case (docs/benchmarks.md).
  type = object({
    concurrency     = optional(number, 32)
    cpu             = optional(number, 1)
    max_instances   = optional(number, 8)
    memory          = optional(string, "2Gi")
    min_instances   = optional(number, 0)
    timeout_seconds = optional(number, 540)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.worker.concurrency <= 50
    error_message = "worker.concurrency is at most 50: a task may have two calls of Firestore open, and a connection carries 100."
  }
  validation {
    condition     = var.worker.timeout_seconds <= 600
    error_message = "worker.timeout_seconds is at most 600: Pub/Sub waits no longer for an answer."
  }
}
