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

variable "changes" {
  description = "Whether consumers are told of changed records (docs/changes.md)."
  type        = bool
  default     = false
  nullable    = false
}

variable "data_access_logs" {
  description = "Whether Google logs who writes documents, the functions aside. Other audit settings of Firestore in the project are replaced."
  type        = bool
  default     = false
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
