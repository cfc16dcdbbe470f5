variable "amount" {
  description = "The budget of a month, in whole units of the billing account's currency."
  type        = number
  nullable    = false

  validation {
    condition     = var.amount >= 1 && floor(var.amount) == var.amount
    error_message = "amount is a whole number from 1."
  }
}

variable "billing_account" {
  description = "Id of the billing account that the project is linked to."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account is an id such as \"012345-6789AB-CDEF01\" (gcloud billing accounts list)."
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

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that the budget's alerts go to, by their full names; the first five."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", channel))])
    error_message = "notification_channels are names such as \"projects/P/notificationChannels/123\" (gcloud beta monitoring channels list)."
  }
}

variable "project_number" {
  description = "The project's number."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number has only digits: gcloud projects describe PROJECT --format=\"value(projectNumber)\"."
  }
}
