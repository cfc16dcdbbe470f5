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

variable "region" {
  description = "The region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region such as \"europe-west1\"."
  }
}

variable "root" {
  description = "Folder with main.py, requirements.txt, functions/ and orchestrator/."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists("${var.root}/main.py") && fileexists("${var.root}/requirements.txt")
    error_message = "root is the repository's root: the folder that holds main.py and requirements.txt."
  }
}
