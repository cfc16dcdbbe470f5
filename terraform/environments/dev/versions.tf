terraform {
  required_version = ">= 1.11" # write-only attributes

  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 6.50"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }

  # `terraform init` asks for the bucket, or takes it as -backend-config=bucket=NAME. The state holds the
  # scheduler's secret (in the job's header), so only those who deploy may read the bucket.
  backend "gcs" {
    prefix = "marketplace-sync/dev"
  }
}

# Some APIs refuse a person's login whose calls name no project for their quota, Billing Budgets and Identity among them
# (registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference, user_project_override).
provider "google" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
}

provider "google-beta" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
}
