"""Everything delivered beside the code: Terraform, documents, benchmarks."""
