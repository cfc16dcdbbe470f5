# The accounts that call the HTTP function: Cloud Scheduler's, and one for each operator.

resource "google_service_account" "scheduler" {
  project      = var.project_id
  account_id   = "${var.name}-scheduler"
  display_name = "${var.name} scheduler"
  description  = "Identity of Cloud Scheduler's calls to the HTTP function."

  depends_on = [time_sleep.apis]
}

# The HTTP function takes tokens that are made out to itself, and only service accounts can get such a token;
# so an operator, a person or a group, acts as an account that can do nothing else.
resource "google_service_account" "operator" {
  for_each = var.operators

  project      = var.project_id
  account_id   = "${var.name}-op-${each.key}"
  display_name = "${var.name} operator ${each.key}"
  description  = "Identity of ${each.value} for calls to the HTTP function."

  depends_on = [time_sleep.apis]
}

resource "google_service_account_iam_member" "operator" {
  for_each = var.operators

  service_account_id = google_service_account.operator[each.key].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.value
}
