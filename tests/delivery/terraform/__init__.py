"""Terraform: what is deployed is what the code needs."""
