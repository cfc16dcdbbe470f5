variable "backups" {
  description = "Days that each daily backup is kept, and weeks that each weekly one is kept."
  type = object({
    days  = number
    weeks = number
  })
  default  = { days = 7, weeks = 4 }
  nullable = false

  validation {
    condition     = contains(range(1, 8), var.backups.days) && contains(range(1, 15), var.backups.weeks)
    error_message = "backups.days is a whole number from 1 to 7, backups.weeks from 1 to 14: Google keeps no backup for longer."
  }
}

variable "data_access_logs" {
  description = "Whether Google logs who writes documents, the functions aside. Other audit settings of Firestore in the project are replaced."
  type        = bool
  default     = false
  nullable    = false
}

variable "database" {
  description = "Id of the Firestore database. A project's first gigabyte and first reads and writes of a day are free in one database only."
  type        = string
  default     = "(default)"
  nullable    = false

  validation {
    condition     = can(regex("^(\\(default\\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$", var.database))
    error_message = "database is \"(default)\", or 4 to 63 lower-case letters, digits and hyphens."
  }
}

variable "location" {
  description = "Location of the database; it can never be changed."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z]+-[a-z]+[0-9]+|nam5|eur3)$", var.location))
    error_message = "location is a region such as \"europe-west1\", or \"eur3\" or \"nam5\" for several."
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
  description = "Whether Terraform refuses to delete anything with data until this is set to false."
  type        = bool
  nullable    = false
}

variable "users" {
  description = "Accounts that read and write documents: members by a name of the caller's choice."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.users) : startswith(member, "serviceAccount:")])
    error_message = "users are service accounts: \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\"."
  }
}
