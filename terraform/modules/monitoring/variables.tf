variable "emails" {
  description = "E-mail addresses of the alerts; Google sends each address a mail that needs no answer."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", email))])
    error_message = "emails are addresses such as \"ops@example.com\"."
  }
}

variable "failing_ticks" {
  description = "An alert is raised when most tasks of a marketplace failed in this many ticks in a row."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = contains([1, 2, 3, 4], var.failing_ticks)
    error_message = "failing_ticks is from 1 to 4: the log counts at most six runs back, manual ones among them."
  }
}

variable "functions" {
  description = "Names of the functions whose logs are read."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.functions) > 0
    error_message = "functions names at least one function."
  }
}

variable "labels" {
  description = "Labels of everything that takes them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, \"_\" and \"-\", at most 63 characters; keys start with a letter."
  }
}

variable "max_delivery_attempts" {
  description = "Attempts until a message becomes a dead letter; for the alert's text."
  type        = number
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts is from 5 to 100."
  }
}

variable "name" {
  description = "Prefix of all names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name has 3 to 16 lower-case letters, digits and hyphens, starts with a letter and does not end with a hyphen."
  }
}

variable "no_success_minutes" {
  description = "An alert is raised after this many minutes without a tick, or without a successful run: two intervals and some minutes. A cause that each tick tells of counts as over after as many."
  type        = number
  nullable    = false

  validation {
    condition     = var.no_success_minutes >= 5 && var.no_success_minutes <= 1380
    error_message = "no_success_minutes is from 5 to 1380 (23 hours, the most that an alert can look back)."
  }
}

variable "notification_channels" {
  description = "Further notification channels, by their full names."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", channel))])
    error_message = "notification_channels are names such as \"projects/P/notificationChannels/123\" (gcloud beta monitoring channels list)."
  }
}

variable "oldest_unacked_seconds" {
  description = "An alert is raised when a message waits longer."
  type        = number
  nullable    = false

  validation {
    condition     = var.oldest_unacked_seconds >= 60 && var.oldest_unacked_seconds <= 86400
    error_message = "oldest_unacked_seconds is from 60 to 86400."
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

variable "rejects_per_hour" {
  description = "An alert is raised when more records of a marketplace's stream are rejected in an hour."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.rejects_per_hour >= 0 && floor(var.rejects_per_hour) == var.rejects_per_hour
    error_message = "rejects_per_hour is a whole number from 0."
  }
}

variable "runbook_url" {
  description = "Address of docs/operating.md as the operators open it; the alerts link to its sections. Empty: they only name them."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.runbook_url == "" || can(regex("^https://[^\\s#]+$", var.runbook_url))
    error_message = "runbook_url is an https address without \"#\", such as \"https://git.example.com/sync/docs/operating.md\"."
  }
}

variable "server_errors" {
  description = "An alert is raised when a function answers more requests with 5xx in a quarter of an hour."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.server_errors >= 0 && floor(var.server_errors) == var.server_errors
    error_message = "server_errors is a whole number from 0."
  }
}

variable "subscriptions" {
  description = "Names of the workers' subscriptions and of those that hold dead messages, one a lane."
  type = object({
    dead   = list(string)
    worker = list(string)
  })
  nullable = false

  validation {
    condition     = alltrue([for name in concat(var.subscriptions.dead, var.subscriptions.worker) : !startswith(name, "projects/")]) && length(distinct(concat(var.subscriptions.dead, var.subscriptions.worker))) == length(concat(var.subscriptions.dead, var.subscriptions.worker)) && length(var.subscriptions.dead) > 0 && length(var.subscriptions.worker) > 0
    error_message = "subscriptions are different short names, at least one of each, without \"projects/P/subscriptions/\"."
  }
}
