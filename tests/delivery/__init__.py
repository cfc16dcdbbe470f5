"""Tests of what is delivered beside the code: Terraform, documentation, benchmarks."""
