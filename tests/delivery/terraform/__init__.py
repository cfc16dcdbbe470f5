"""Terraform: the planned environments give the functions everything that the code needs.

The plans come from `terraform test` with mocked providers; nothing is deployed.
"""
