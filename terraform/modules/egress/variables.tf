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

variable "region" {
  description = "The region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region such as \"europe-west1\"."
  }
}
