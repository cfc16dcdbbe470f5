# The module checks them.

variable "deployer_roles" {
  description = "Further roles of the deployer: compute.networkAdmin, compute.securityAdmin and vpcaccess.admin with static_egress."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "environment" {
  description = "GitHub's environment that deploys to the project."
  type        = string
  default     = "dev"
  nullable    = false
}

variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false
}

variable "repository" {
  description = "The repository on GitHub: OWNER/NAME."
  type        = string
  nullable    = false
}

variable "repository_id" {
  description = "The repository's number: gh api repos/OWNER/NAME --jq .id"
  type        = string
  nullable    = false
}

variable "state_bucket" {
  description = "Bucket of Terraform's state."
  type        = string
  nullable    = false
}
