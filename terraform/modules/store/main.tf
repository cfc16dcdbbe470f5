# The Firestore database: indexes for queries that the automatic ones do not answer, fields without an index,
# deletion by age, and the accounts that read and write it.

locals {
  # Every query of orchestrator/ that single-field indexes and their merging do not answer.
  indexes = {
    open-runs-oldest-first    = { collection = "runs", fields = [["status", "ASCENDING"], ["order", "ASCENDING"]] }
    runs-by-status-newest     = { collection = "runs", fields = [["status", "ASCENDING"], ["order", "DESCENDING"]] }
    tasks-that-a-retry-covers = { collection = "tasks", fields = [["marketplace", "ASCENDING"], ["status", "ASCENDING"]] }
  }

  # Collections whose documents are deleted by age.
  _expiring = ["runs", "shards", "sync_state", "tasks"]

  # Never queried: maps and lists with an index entry for each part, texts, and times that only grow, whose
  # index would have all writers meet at its end.
  _unindexed = {
    digests    = ["entries"]
    inventory  = ["updated_at"]
    orders     = ["buyer", "lines", "refunded", "total"]
    products   = ["variants"]
    rejects    = ["raw", "reason", "rejected_at"]
    runs       = ["by_marketplace", "cost", "dispatch", "error", "expires_at", "records", "selection", "tasks"]
    shards     = ["by_stream", "cost", "expires_at", "ids", "tasks"]
    sync_state = ["expires_at", "last_error", "last_run", "last_success_at", "open", "streams"]
    tasks      = ["cost", "error", "expires_at", "finished_at", "started_at", "streams"]
  }
  unindexed = merge([
    for collection, fields in local._unindexed : {
      for field in fields : "${collection}.${field}" => {
        collection = collection
        field      = field
        expires    = field == "expires_at" && contains(local._expiring, collection)
      }
    }
  ]...)
}

resource "google_firestore_database" "this" {
  project                           = var.project_id
  name                              = var.database
  location_id                       = var.location
  type                              = "FIRESTORE_NATIVE"
  database_edition                  = "STANDARD"
  point_in_time_recovery_enablement = var.protected ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.protected ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  # Not ABANDON: with it, destroying a protected database would only remove it from Terraform's state. Here it
  # is an error.
  deletion_policy = "DELETE"
}

resource "google_firestore_index" "this" {
  for_each = local.indexes

  project     = var.project_id
  database    = google_firestore_database.this.name
  collection  = each.value.collection
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path = fields.value[0]
      order      = fields.value[1]
    }
  }
}

resource "google_firestore_field" "unindexed" {
  for_each = local.unindexed

  project    = var.project_id
  database   = google_firestore_database.this.name
  collection = each.value.collection
  field      = each.value.field

  # Empty: no index at all.
  index_config {}

  dynamic "ttl_config" {
    for_each = each.value.expires ? [1] : []

    content {}
  }
}

resource "google_project_iam_member" "user" {
  for_each = var.users

  project = var.project_id
  role    = "roles/datastore.user"
  member  = each.value

  condition {
    title       = "database-${trim(var.database, "()")}"
    description = "Only the database of the marketplace sync."
    expression  = "resource.type == \"firestore.googleapis.com/Database\" && resource.name == \"projects/${var.project_id}/databases/${var.database}\""
  }
}
