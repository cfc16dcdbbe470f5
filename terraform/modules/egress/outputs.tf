output "address" {
  description = "The address that all calls come from."
  value       = google_compute_address.this.address
}

output "connector" {
  description = "Full name of the connector; calls find their way out once the whole module is made."
  value       = google_vpc_access_connector.this.id
}
