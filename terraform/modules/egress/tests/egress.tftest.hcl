# The promises of the egress module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

override_resource {
  target          = google_compute_address.this
  override_during = plan
  values = {
    address   = "203.0.113.7"
    self_link = "https://www.googleapis.com/compute/v1/projects/a-project/regions/europe-west1/addresses/sync-egress"
  }
}

override_resource {
  target          = google_compute_subnetwork.this
  override_during = plan
  values = {
    id = "projects/a-project/regions/europe-west1/subnetworks/sync-egress"
  }
}

variables {
  name       = "sync"
  project_id = "a-project"
  region     = "europe-west1"
}

run "egress" {
  command = plan

  assert {
    condition     = output.address == "203.0.113.7" && google_compute_router_nat.this.nat_ips == toset([google_compute_address.this.self_link])
    error_message = "all calls come from the reserved address"
  }

  assert {
    condition     = google_compute_router_nat.this.nat_ip_allocate_option == "MANUAL_ONLY"
    error_message = "Google adds no other one"
  }

  assert {
    condition     = tolist(google_compute_router_nat.this.subnetwork)[0].name == google_compute_subnetwork.this.id && google_vpc_access_connector.this.subnet[0].name == google_compute_subnetwork.this.name
    error_message = "the connector's machines leave through it"
  }

  assert {
    condition     = google_vpc_access_connector.this.max_instances * google_compute_router_nat.this.min_ports_per_vm <= 64512
    error_message = "one address has ports enough for all machines of the connector"
  }

  assert {
    condition     = google_compute_subnetwork.this.private_ip_google_access && endswith(google_compute_subnetwork.this.ip_cidr_range, "/28")
    error_message = "Google's own services are reached without it; a connector takes a /28"
  }

  assert {
    condition     = length(google_vpc_access_connector.this.name) <= 25
    error_message = "names of connectors are short"
  }

  assert {
    condition     = google_compute_firewall.this.direction == "INGRESS" && tolist(google_compute_firewall.this.deny)[0].protocol == "all"
    error_message = "nothing comes in"
  }
}

run "refuses_a_long_name" {
  command = plan

  variables {
    name = "marketplace-sync-1"
  }

  expect_failures = [var.name]
}

run "refuses_a_project_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "refuses_a_zone" {
  command = plan

  variables {
    region = "europe-west1-b"
  }

  expect_failures = [var.region]
}
