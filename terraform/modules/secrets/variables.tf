variable "api_member" {
  description = "Who compares the scheduler's secret, as an IAM member."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.api_member, "serviceAccount:")
    error_message = "api_member is the HTTP function's account: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}

variable "connection_prefix" {
  description = "Prefix of the names of the sellers' credentials in Secret Manager."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{2,100}[-_]$", var.connection_prefix))
    error_message = "connection_prefix has letters, digits, \"-\" and \"_\", and ends with \"-\" or \"_\", so that it matches no other secret by chance: \"sync-connection-\"."
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

variable "locations" {
  description = "Regions that hold the secret; empty: Google chooses."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for location in var.locations : can(regex("^[a-z]+-[a-z]+[0-9]+$", location))])
    error_message = "locations are regions such as \"europe-west1\"."
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

variable "people" {
  description = "Who adds sellers on the command line, by any key, as IAM members: they read the vault's public keyset."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.people) : can(regex("^(user|group|serviceAccount):", member))])
    error_message = "people are IAM members: \"user:jane@example.com\", \"group:…\" or \"serviceAccount:…\"."
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

variable "project_number" {
  description = "The project's number, as Google names its own buckets and resources with it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number has only digits: gcloud projects describe PROJECT --format=\"value(projectNumber)\"."
  }
}

variable "protected" {
  description = "Whether Terraform refuses to delete anything with data until this is set to false."
  type        = bool
  nullable    = false
}

variable "scheduler_secret" {
  description = "The scheduler's header x-scheduler-secret; null if it sends none."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.scheduler_secret == null || can(regex("^[!-~]{32,512}$", var.scheduler_secret))
    error_message = "scheduler_secret has 32 to 512 printable ASCII characters without spaces: export TF_VAR_scheduler_secret=\"$(openssl rand -hex 32)\"."
  }
}

variable "worker_member" {
  description = "Who reads the sellers' credentials and the vault's keysets, and adds versions to them, as an IAM member."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.worker_member, "serviceAccount:")
    error_message = "worker_member is the worker's account: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}
