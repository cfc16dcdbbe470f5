"""The tick at the end of a deployment; the rest of this folder is Terraform."""
