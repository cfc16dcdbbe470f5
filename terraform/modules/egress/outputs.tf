output "address" {
  description = "The address that all calls come from."
  value       = google_compute_address.this.address
}

output "connector" {
  description = "Full name of the connector; usable once calls find their way out."
  value       = google_vpc_access_connector.this.id
  depends_on  = [google_compute_router_nat.this]
}
