terraform {
  required_version = ">= 1.11" # write-only attributes, and mocks that hold while planning

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}
