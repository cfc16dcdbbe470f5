variable "account" {
  description = "The account it runs as, if it is another function's (that one's output `account`); null: one of its own."
  type        = object({ email = string, member = string, name = string })
  default     = null

  validation {
    condition     = try(var.account.member == "serviceAccount:${var.account.email}", var.account == null)
    error_message = "account is the output of another function: member is \"serviceAccount:\" and its email."
  }
}

variable "build" {
  description = "Source and account of the function's build: source bucket and object, build service account, image repository (their full names). The build module gives it."
  type = object({
    bucket          = string
    object          = string
    repository      = string
    service_account = string
  })
  nullable = false

  validation {
    condition     = endswith(var.build.object, ".zip")
    error_message = "build.object is the name of a zip archive in build.bucket: \"source-….zip\"."
  }
}

variable "description" {
  description = "Purpose of the function, for the console."
  type        = string
  default     = "Marketplace sync"
  nullable    = false

  validation {
    condition     = length(var.description) <= 200
    error_message = "description is at most 200 characters long."
  }
}

variable "entry_point" {
  description = "The function's name in main.py."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*$", var.entry_point))
    error_message = "entry_point is the name of a function in main.py, such as \"sync_api\"."
  }
}

variable "environment" {
  description = "Environment variables; no secret values, only references."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name, value in var.environment : can(regex("^[A-Z][A-Z0-9_]*$", name)) && value != null])
    error_message = "environment maps names such as \"LOG_LEVEL\" (capitals, digits, underscores) to values that are not null."
  }
}

variable "ingress" {
  description = "Origins whose requests reach the identity check."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY"], var.ingress)
    error_message = "ingress is \"ALLOW_INTERNAL_ONLY\" (Cloud Scheduler and Pub/Sub of this project count as internal) or \"ALLOW_ALL\"."
  }
}

variable "instance" {
  description = "Size of one instance, and bounds of their number."
  type = object({
    concurrency     = number
    cpu             = number
    max_instances   = number
    memory          = string
    min_instances   = number
    timeout_seconds = number
  })
  nullable = false

  validation {
    condition     = can(regex("^[1-9][0-9]*(Mi|Gi)$", var.instance.memory))
    error_message = "instance.memory is a number with Mi or Gi: \"512Mi\", \"1Gi\"."
  }
  validation {
    condition     = contains([1, 2, 4, 8], var.instance.cpu)
    error_message = "instance.cpu is 1, 2, 4 or 8: less than one CPU takes only one request at a time."
  }
  validation {
    condition     = var.instance.concurrency >= 1 && var.instance.concurrency <= 1000 && floor(var.instance.concurrency) == var.instance.concurrency
    error_message = "instance.concurrency is a whole number from 1 to 1000."
  }
  validation {
    condition     = var.instance.min_instances >= 0 && var.instance.min_instances <= var.instance.max_instances && var.instance.max_instances >= 1 && var.instance.max_instances <= 1000
    error_message = "instance.min_instances is from 0 to max_instances, and max_instances from 1 to 1000."
  }
  validation {
    condition     = var.instance.timeout_seconds >= 1 && var.instance.timeout_seconds <= 3600
    error_message = "instance.timeout_seconds is from 1 to 3600."
  }
}

variable "invokers" {
  description = "Who may call the function: members by a name of the caller's choice."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in values(var.invokers) : startswith(member, "serviceAccount:")])
    error_message = "invokers are service accounts, \"serviceAccount:NAME@PROJECT.iam.gserviceaccount.com\": never allUsers, and people come in as an operator's account."
  }
}

variable "labels" {
  description = "Labels of the function."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels are lower-case letters, digits, \"_\" and \"-\", at most 63 characters; keys start with a letter."
  }
}

variable "name" {
  description = "Name of the function, of its Cloud Run service and of its service account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "name has 6 to 30 lower-case letters, digits and hyphens, starts with a letter and does not end with a hyphen."
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
  description = "Region of the function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a Google Cloud region such as \"europe-west1\"."
  }
}

variable "runtime" {
  description = "Python runtime of the function."
  type        = string
  default     = "python313"
  nullable    = false

  validation {
    condition     = contains(["python311", "python312", "python313"], var.runtime)
    error_message = "runtime is \"python311\", \"python312\" or \"python313\": requirements.txt is pinned for these."
  }
}

variable "vpc_connector" {
  description = "Full name of the Serverless VPC Access connector that all calls of the function leave through; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.vpc_connector == null || can(regex("^projects/[^/]+/locations/[^/]+/connectors/[^/]+$", var.vpc_connector))
    error_message = "vpc_connector is a full name: \"projects/P/locations/REGION/connectors/NAME\"."
  }
}
