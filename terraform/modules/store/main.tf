# The Firestore database: indexes for queries that the automatic ones do not answer, fields without an index,
# deletion by age, and the accounts that read and write it.

locals {
  # Every query of orchestrator/ that single-field indexes and their merging do not answer.
  indexes = {
    actions-on-a-connection   = { collection = "audit", fields = [["connection_id", "ASCENDING"], ["at", "DESCENDING"]] }
    actions-on-a-run          = { collection = "audit", fields = [["run_id", "ASCENDING"], ["at", "DESCENDING"]] }
    open-runs-oldest-first    = { collection = "runs", fields = [["status", "ASCENDING"], ["order", "ASCENDING"]] }
    runs-by-status-newest     = { collection = "runs", fields = [["status", "ASCENDING"], ["order", "DESCENDING"]] }
    runs-rejected-since       = { collection = "runs", fields = [["order", "ASCENDING"], ["records.rejected", "ASCENDING"]] }
    runs-cost-since           = { collection = "runs", fields = [["order", "ASCENDING"], ["cost.estimated_usd", "ASCENDING"]] }
    states-by-age             = { collection = "sync_state", fields = [["marketplace", "ASCENDING"], ["late_at", "ASCENDING"]] }
    causes-by-age             = { collection = "sync_state", fields = [["cause.kind", "ASCENDING"], ["late_at", "ASCENDING"]] }
    causes-oldest-first       = { collection = "sync_state", fields = [["cause.kind", "ASCENDING"], ["cause.since", "ASCENDING"]] }
    marketplace-causes-by-age = { collection = "sync_state", fields = [["cause.kind", "ASCENDING"], ["marketplace", "ASCENDING"], ["late_at", "ASCENDING"]] }
    marketplace-causes-oldest = { collection = "sync_state", fields = [["cause.kind", "ASCENDING"], ["marketplace", "ASCENDING"], ["cause.since", "ASCENDING"]] }
    connections-of-a-pace     = { collection = "connections", fields = [["marketplace", "ASCENDING"], ["status", "ASCENDING"], ["pace", "ASCENDING"]] }
    tasks-that-a-retry-covers = { collection = "tasks", fields = [["marketplace", "ASCENDING"], ["status", "ASCENDING"]] }
  }

  # Queries of readers across all connections; docs/records.md has them. Each begins with the organization, so that
  # the writers of different organizations do not meet at the end of an index by time. A connection's history across
  # all runs begins with the connection.
  group_indexes = {
    orders-to-ship        = { collection = "orders", fields = [["organization_id", "ASCENDING"], ["to_ship", "ASCENDING"], ["ship_by", "ASCENDING"]] }
    orders-revenue        = { collection = "orders", fields = [["organization_id", "ASCENDING"], ["marketplace", "ASCENDING"], ["currency", "ASCENDING"], ["created_at", "ASCENDING"], ["net_micros", "ASCENDING"]] }
    orders-by-sku         = { collection = "orders", fields = [["organization_id", "ASCENDING"], ["skus", "CONTAINS"], ["created_at", "DESCENDING"]] }
    orders-by-status      = { collection = "orders", fields = [["organization_id", "ASCENDING"], ["status", "ASCENDING"], ["created_at", "DESCENDING"]] }
    orders-that-changed   = { collection = "orders", fields = [["organization_id", "ASCENDING"], ["synced_at", "ASCENDING"]] }
    products-by-sku       = { collection = "products", fields = [["organization_id", "ASCENDING"], ["skus", "CONTAINS"]] }
    products-that-changed = { collection = "products", fields = [["organization_id", "ASCENDING"], ["synced_at", "ASCENDING"]] }
    stock-of-a-sku        = { collection = "inventory", fields = [["organization_id", "ASCENDING"], ["sku", "ASCENDING"], ["deleted_at", "ASCENDING"], ["available_micros", "ASCENDING"]] }
    tasks-of-a-connection = { collection = "tasks", fields = [["connection_id", "ASCENDING"], ["finished_at", "DESCENDING"]] }
    stock-that-changed    = { collection = "inventory", fields = [["organization_id", "ASCENDING"], ["synced_at", "ASCENDING"]] }
  }

  # The fields of records that keep a single-field index, within one connection: those that the sync asks for
  # (`id_hash`), and those by which a person finds a record. All others lose it by `*`: a record has more than a
  # hundred values, and each would be two index entries.
  _indexed = {
    inventory = ["deleted_at", "id_hash", "sku", "status"]
    orders    = ["created_at", "deleted_at", "id_hash", "marketplace_status", "number", "skus", "status"]
    products  = ["created_at", "deleted_at", "id_hash", "marketplace_status", "skus", "status", "title"]
  }
  indexed = merge([
    for collection, fields in local._indexed : {
      for field in fields : "${collection}.${field}" => { collection = collection, field = field, list = field == "skus" }
    }
  ]...)

  # Collections whose documents are deleted by age.
  _expiring = ["audit", "checks", "runs", "shards", "sync_state", "tasks"]

  # Never queried: maps and lists with an index entry for each part, texts, and times that only grow, whose
  # index would have all writers meet at its end.
  _unindexed = {
    audit       = ["action", "actor", "details", "expires_at", "face"]
    checks      = ["*", "expires_at"]
    credentials = ["*"]
    digests     = ["entries"]
    inventory   = ["*"]
    orders      = ["*"]
    products    = ["*"]
    rejects     = ["raw", "rejected_at"]
    runs        = ["by_marketplace", "cost", "dispatch", "error", "expires_at", "records", "selection", "tasks"]
    shards      = ["by_stream", "cost", "expires_at", "final", "ids", "tasks"]
    sync_state  = ["expires_at", "last_error", "last_run", "last_success_at", "open", "since_at", "streams"]
    tasks       = ["cost", "error", "expires_at", "finished_at", "started_at", "streams"]
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

# A copy that outlives the database, unlike its point-in-time recovery. A database has at most one daily and one
# weekly schedule, whose copies are kept for 7 days and 14 weeks at most
# (registry.terraform.io/providers/hashicorp/google/latest/docs/resources/firestore_backup_schedule).
resource "google_firestore_backup_schedule" "daily" {
  project   = var.project_id
  database  = google_firestore_database.this.name
  retention = "${var.backups.days * 86400}s"

  daily_recurrence {}
}

resource "google_firestore_backup_schedule" "weekly" {
  project   = var.project_id
  database  = google_firestore_database.this.name
  retention = "${var.backups.weeks * 604800}s"

  weekly_recurrence {
    day = "SUNDAY"
  }
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

resource "google_firestore_index" "group" {
  for_each = local.group_indexes

  project     = var.project_id
  database    = google_firestore_database.this.name
  collection  = each.value.collection
  query_scope = "COLLECTION_GROUP"

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path   = fields.value[0]
      order        = fields.value[1] == "CONTAINS" ? null : fields.value[1]
      array_config = fields.value[1] == "CONTAINS" ? "CONTAINS" : null
    }
  }
}

# The connections that have rejects are found across all connections. Rejects are few, so no writers meet at the
# end of this index.
resource "google_firestore_field" "rejects" {
  project    = var.project_id
  database   = google_firestore_database.this.name
  collection = "rejects"
  field      = "connection_id"

  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}

resource "google_firestore_field" "indexed" {
  for_each = local.indexed

  project    = var.project_id
  database   = google_firestore_database.this.name
  collection = each.value.collection
  field      = each.value.field

  index_config {
    dynamic "indexes" {
      for_each = each.value.list ? [] : ["ASCENDING", "DESCENDING"]

      content {
        order       = indexes.value
        query_scope = "COLLECTION"
      }
    }

    dynamic "indexes" {
      for_each = each.value.list ? ["CONTAINS"] : []

      content {
        array_config = indexes.value
        query_scope  = "COLLECTION"
      }
    }
  }
}

# Of a field `*`, all fields of the collection without a resource of their own.
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

# The proof of who wrote what: whoever may write documents may write `audit/` too. The service's name configures
# Firestore (cloud.google.com/firestore/docs/audit-logging). The functions' own accounts are left out: their
# writes are the sync itself, and would cost more in logs than in documents.
resource "google_project_iam_audit_config" "people" {
  count = var.data_access_logs ? 1 : 0

  project = var.project_id
  service = "datastore.googleapis.com"

  audit_log_config {
    log_type         = "DATA_WRITE"
    exempted_members = values(var.users)
  }
}
