# Values that differ from one deployment to the next; the module checks them. Give them in terraform.tfvars.

variable "alert_emails" {
  description = "E-mail addresses of the alerts."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "alert_emails: name at least one address in terraform.tfvars; nobody watches prod otherwise."
  }
}

variable "backups" {
  description = "Days that each daily backup of the database is kept, and weeks that each weekly one is kept."
  type        = object({ days = number, weeks = number })
  default     = { days = 7, weeks = 14 }
  nullable    = false
}

variable "budget" {
  description = "A budget for the project: the amount of a month, and the billing account; empty: none."
  type        = object({ amount = optional(number), billing_account = optional(string) })
  default     = {}
  nullable    = false
}

variable "changes" {
  description = "Whether consumers are told of changed records (docs/changes.md)."
  type        = bool
  default     = false
  nullable    = false
}

variable "cpu_quota" {
  description = "The region's quota of vCPUs for Cloud Run, which all instances together must not exceed; a new project has 20."
  type        = number
  default     = 20
  nullable    = false
}

variable "data_access_logs" {
  description = "Whether Google logs who writes documents, the functions aside. Other audit settings of Firestore in the project are replaced."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_instances" {
  description = "The most instances of the HTTP function, and of each of the two workers: one begins 32 connections at once in each of its own, the other continues 8 long ones."
  type        = object({ api = number, worker = number })
  default     = { api = 4, worker = 8 }
  nullable    = false
}

variable "operators" {
  description = "Operators, who may read, start, retry and cancel runs: IAM members by a short name."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of everything."
  type        = string
  nullable    = false
}

variable "scheduler_secret" {
  description = "The scheduler's second factor: TF_VAR_scheduler_secret, never in a file."
  type        = string
  sensitive   = true
  nullable    = false
}

variable "secret_locations" {
  description = "Regions that hold the secrets, for an organization that allows only some; empty: Google chooses."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "static_egress" {
  description = "Whether the worker calls marketplaces from one address that does not change."
  type        = bool
  default     = false
  nullable    = false
}
