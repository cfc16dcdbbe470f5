terraform {
  required_version = ">= 1.11" # mocks that hold while planning

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
    time = {
      source  = "hashicorp/time"
      version = "~> 0.13"
    }
  }

  backend "gcs" {
    prefix = "marketplace-sync/ci"
  }
}

provider "google" {
  project = var.project_id
  # Some APIs refuse a person's login that names no project for its quota.
  billing_project       = var.project_id
  user_project_override = true
}
