variable "branch" {
  description = "The branch that deploys, and that planned pull requests go to."
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.branch)) && !startswith(var.branch, "refs/")
    error_message = "branch is the branch's name without \"refs/heads/\": \"main\"."
  }
}

variable "deployer_roles" {
  description = "Further roles of the deployer in the project, without \"roles/\"; docs/deploy.md tells which settings need some."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for role in var.deployer_roles : can(regex("^[a-z][A-Za-z]*\\.[A-Za-z.]+$", role))])
    error_message = "deployer_roles are names such as \"compute.networkAdmin\", and no basic roles."
  }
}

variable "environment" {
  description = "GitHub's environment of the job that deploys; let only the branch deploy to it. Pull requests are planned in the environment `plan`."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.environment)) && var.environment != "plan"
    error_message = "environment is the name of one of GitHub's environments, and not \"plan\"."
  }
}

variable "name" {
  description = "Prefix of the environment's names."
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

variable "repository" {
  description = "The repository on GitHub: OWNER/NAME."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository is \"OWNER/NAME\", as GitHub spells it."
  }
}

variable "repository_id" {
  description = "The repository's number, which GitHub gives to no other one, unlike its name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.repository_id))
    error_message = "repository_id has only digits: gh api repos/OWNER/NAME --jq .id"
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state, which a plan reads."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket is the bucket's name, without \"gs://\"."
  }
}

variable "workflow" {
  description = "The only workflow whose jobs get an identity, as a path in the repository."
  type        = string
  default     = ".github/workflows/ci.yml"
  nullable    = false

  validation {
    condition     = can(regex("^\\.github/workflows/[A-Za-z0-9._-]+\\.ya?ml$", var.workflow))
    error_message = "workflow is a path such as \".github/workflows/ci.yml\"."
  }
}
