variable "api_member" {
  description = "The HTTP function's account, as an IAM member: it counts the dead letters."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.api_member, "serviceAccount:")
    error_message = "api_member is a service account: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "delivery" {
  description = "Delivery of messages to the worker: seconds for one attempt, back-off before the next attempt, and attempts until a message becomes a dead letter."
  type = object({
    ack_deadline_seconds = number
    max_attempts         = number
    max_backoff_seconds  = number
    min_backoff_seconds  = number
  })
  nullable = false

  validation {
    condition     = var.delivery.ack_deadline_seconds >= 10 && var.delivery.ack_deadline_seconds <= 600
    error_message = "delivery.ack_deadline_seconds is from 10 to 600, and at least the worker's timeout."
  }
  validation {
    condition     = var.delivery.max_attempts >= 5 && var.delivery.max_attempts <= 100
    error_message = "delivery.max_attempts is from 5 to 100; more than the tasks' own max_attempts."
  }
  validation {
    condition     = var.delivery.min_backoff_seconds >= 0 && var.delivery.min_backoff_seconds <= var.delivery.max_backoff_seconds && var.delivery.max_backoff_seconds <= 600
    error_message = "delivery.min_backoff_seconds and max_backoff_seconds are from 0 to 600, the first not above the second."
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

variable "lane" {
  description = "Name of the lane, as a part of all its names; empty for the first one."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = contains(["", "backfill"], var.lane)
    error_message = "lane is \"\" (first slices and all short messages) or \"backfill\" (continuations)."
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

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is the project's id (not its name or number): 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "publishers" {
  description = "Who may publish tasks: members by a name of the caller's choice."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.publishers) : startswith(member, "serviceAccount:")])
    error_message = "publishers are service accounts: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "worker_member" {
  description = "The worker's account, as an IAM member: it publishes unreadable messages to the dead-letter topic."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.worker_member, "serviceAccount:")
    error_message = "worker_member is a service account: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "worker_url" {
  description = "The worker's URL, which is also the audience of Pub/Sub's tokens."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.worker_url))
    error_message = "worker_url is the function's URL without a path or trailing slash: \"https://NAME-NUMBER.REGION.run.app\"."
  }
}
