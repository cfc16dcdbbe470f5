# One address that does not change: a network of its own, a connector into it, and Cloud NAT out of it
# (cloud.google.com/run/docs/configuring/static-outbound-ip). Direct VPC would need no connector, but the provider
# offers it for functions in its major version 7 only (github.com/hashicorp/terraform-provider-google/issues/20503).

resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = "${var.name}-egress"
  description             = "The worker's way to the marketplaces; nothing else is in it."
  auto_create_subnetworks = false
}

# As without it; said, so that nobody opens the network by chance. The connector's own rules go before it.
resource "google_compute_firewall" "this" {
  project   = var.project_id
  name      = "${var.name}-egress-nothing-in"
  network   = google_compute_network.this.id
  direction = "INGRESS"
  priority  = 65534

  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

# A connector takes a /28 that nothing else uses.
resource "google_compute_subnetwork" "this" {
  #checkov:skip=CKV_GCP_26: no machine of ours is in it, and the worker logs each call
  project       = var.project_id
  name          = "${var.name}-egress"
  region        = var.region
  network       = google_compute_network.this.id
  ip_cidr_range = "10.8.0.0/28"
  # Calls to Google's own services need no address of ours.
  private_ip_google_access = true
}

resource "google_compute_address" "this" {
  project      = var.project_id
  name         = "${var.name}-egress"
  region       = var.region
  address_type = "EXTERNAL"
}

resource "google_compute_router" "this" {
  project = var.project_id
  name    = "${var.name}-egress"
  region  = var.region
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project_id
  name                               = "${var.name}-egress"
  region                             = var.region
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.this.self_link]
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"
  # A machine of the connector carries many workers' connections. The default of 64 ports allows it as many to one
  # marketplace at once; an address has 64,512 for all machines (cloud.google.com/nat/docs/ports-and-addresses).
  min_ports_per_vm = 8192

  subnetwork {
    name                    = google_compute_subnetwork.this.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

resource "google_vpc_access_connector" "this" {
  project       = var.project_id
  name          = "${var.name}-egress"
  region        = var.region
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 5

  subnet {
    project_id = var.project_id
    name       = google_compute_subnetwork.this.name
  }
}
