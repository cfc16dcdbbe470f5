"""What deploys to Google Cloud; the rest of this folder is Terraform."""
