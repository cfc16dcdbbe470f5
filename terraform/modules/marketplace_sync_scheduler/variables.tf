variable "attempt_deadline_seconds" {
  description = "Seconds that one attempt may take; more than the function's timeout."
  type        = number
  default     = 150
  nullable    = false

  validation {
    condition     = var.attempt_deadline_seconds >= 15 && var.attempt_deadline_seconds <= 1800
    error_message = "attempt_deadline_seconds is from 15 to 1800."
  }
}

variable "name" {
  description = "Name of the job; runs carry it in their ids."
  type        = string
  default     = "marketplace-sync"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,100}$", var.name))
    error_message = "name has at most 100 letters, digits, \"_\" and \"-\"."
  }
}

variable "paused" {
  description = "Whether no tick is sent."
  type        = bool
  default     = false
  nullable    = false
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

variable "region" {
  description = "The region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region such as \"europe-west1\"."
  }
}

variable "retry_config" {
  description = "Retries of a tick that was not answered with 2xx."
  type = object({
    max_backoff_seconds = optional(number, 60)
    max_doublings       = optional(number, 3)
    min_backoff_seconds = optional(number, 10)
    retry_count         = optional(number, 3)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([0, 1, 2, 3, 4, 5], var.retry_config.retry_count)
    error_message = "retry_config.retry_count is a whole number from 0 to 5."
  }
  validation {
    condition     = var.retry_config.min_backoff_seconds >= 5 && var.retry_config.min_backoff_seconds <= var.retry_config.max_backoff_seconds && var.retry_config.max_backoff_seconds <= 3600
    error_message = "retry_config.min_backoff_seconds and max_backoff_seconds are from 5 to 3600, the first not above the second."
  }
  validation {
    condition     = var.retry_config.max_doublings >= 0 && var.retry_config.max_doublings <= 16
    error_message = "retry_config.max_doublings is from 0 to 16."
  }
  validation {
    # Cloud Scheduler skips a tick that is due while it retries the one before.
    condition = (
      (var.attempt_deadline_seconds * (var.retry_config.retry_count + 1) + var.retry_config.max_backoff_seconds * var.retry_config.retry_count)
      <= 60 * try(tonumber(regex("^\\*/([0-9]+) ", var.schedule_cron)[0]), 1440)
    )
    error_message = "attempt_deadline_seconds × (retry_count + 1) + max_backoff_seconds × retry_count must not exceed the minutes between two ticks: Cloud Scheduler skips a tick while it retries the one before."
  }
}

variable "schedule_cron" {
  description = "Times of the ticks, in unix-cron form."
  type        = string
  default     = "*/15 * * * *"
  nullable    = false

  validation {
    condition     = can(regex("^(\\*|[0-9]+(-[0-9]+)?)(/[1-9][0-9]*)?(,(\\*|[0-9]+(-[0-9]+)?)(/[1-9][0-9]*)?)*( (\\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[1-9][0-9]*)?(,(\\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[1-9][0-9]*)?)*){4}$", var.schedule_cron))
    error_message = "schedule_cron has five unix-cron fields (minute, hour, day, month, weekday), such as \"*/15 * * * *\". The form \"every 15 minutes\" promises no schedule time, and runs need it for their ids."
  }
}

variable "scheduler_secret" {
  description = "Value of the header x-scheduler-secret; null sends no header."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.scheduler_secret == null || can(regex("^[!-~]{32,512}$", var.scheduler_secret))
    error_message = "scheduler_secret has 32 to 512 printable ASCII characters without spaces: export TF_VAR_scheduler_secret=\"$(openssl rand -hex 32)\"."
  }
}

variable "service_account_email" {
  description = "The service account that the job calls as."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.gserviceaccount\\.com$", var.service_account_email))
    error_message = "service_account_email is a service account's e-mail: \"NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "sync_endpoint_url" {
  description = "URL of the scheduler's route; its origin is the audience of the token."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+/api/sync/scheduler$", var.sync_endpoint_url))
    error_message = "sync_endpoint_url is \"https://HOST/api/sync/scheduler\"."
  }
}

variable "time_zone" {
  description = "Time zone of the schedule."
  type        = string
  default     = "Etc/UTC"
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z_]+/[A-Za-z0-9_+/-]+|UTC)$", var.time_zone))
    error_message = "time_zone is a name of the tz database, such as \"Etc/UTC\" or \"Africa/Johannesburg\"."
  }
}
