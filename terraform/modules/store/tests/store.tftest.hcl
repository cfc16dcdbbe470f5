# The promises of the store module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

variables {
  location   = "europe-west1"
  project_id = "a-project"
  protected  = false
  users      = { worker = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com" }
}

run "store" {
  command = plan

  assert {
    condition     = google_firestore_database.this.name == "(default)" && google_firestore_database.this.type == "FIRESTORE_NATIVE" && google_firestore_database.this.database_edition == "STANDARD"
    error_message = "the database is the one that clients ask for by default"
  }

  assert {
    condition     = google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_firestore_database.this.deletion_policy == "DELETE"
    error_message = "an unprotected database goes with the rest"
  }

  assert {
    condition     = alltrue([for collection in ["audit", "runs", "shards", "sync_state", "tasks"] : length(google_firestore_field.unindexed["${collection}.expires_at"].ttl_config) == 1])
    error_message = "runs, shards, tasks and the states of removed connections are deleted by age"
  }

  assert {
    condition     = alltrue([for key, field in google_firestore_field.unindexed : length(field.ttl_config) == 0 if !endswith(key, ".expires_at")])
    error_message = "and nothing else is"
  }

  assert {
    condition     = alltrue([for field in google_firestore_field.unindexed : length(field.index_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "fields that are never queried have no index"
  }

  assert {
    condition     = alltrue([for index in google_firestore_index.this : index.query_scope == "COLLECTION"])
    error_message = "the sync's queries stay within a collection"
  }

  assert {
    condition     = alltrue([for index in google_firestore_index.group : index.query_scope == "COLLECTION_GROUP" && index.fields[0].field_path == (index.collection == "tasks" ? "connection_id" : "organization_id")])
    error_message = "readers ask across connections, always for one organization; operators for one connection's tasks"
  }

  assert {
    condition     = alltrue([for collection in ["inventory", "orders", "products"] : google_firestore_field.unindexed["${collection}.*"].field == "*"])
    error_message = "fields of records have no index unless they are named"
  }

  assert {
    condition     = alltrue([for field in google_firestore_field.indexed : alltrue([for index in field.index_config[0].indexes : index.query_scope == "COLLECTION"])])
    error_message = "indexes of single fields stay within a connection"
  }

  assert {
    condition     = google_firestore_field.rejects.collection == "rejects" && one(google_firestore_field.rejects.index_config[0].indexes).query_scope == "COLLECTION_GROUP"
    error_message = "the connections that have rejects are found across all connections"
  }

  assert {
    condition     = google_project_iam_member.user["worker"].role == "roles/datastore.user" && strcontains(google_project_iam_member.user["worker"].condition[0].expression, "projects/a-project/databases/(default)")
    error_message = "documents are read and written in this database only"
  }

  assert {
    condition     = length(google_project_iam_audit_config.people) == 0
    error_message = "audit settings of the project are replaced only if that is wanted"
  }
}

run "protected_store" {
  command = plan

  variables {
    protected = true
  }

  assert {
    condition     = google_firestore_database.this.delete_protection_state == "DELETE_PROTECTION_ENABLED"
    error_message = "a protected database refuses to be deleted"
  }

  assert {
    condition     = google_firestore_database.this.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "and its last seven days can be restored"
  }

  assert {
    condition     = google_firestore_database.this.deletion_policy == "DELETE"
    error_message = "destroying it is an error, not forgotten"
  }
}

run "refuses_a_malformed_database" {
  command = plan

  variables {
    database = "Orders"
  }

  expect_failures = [var.database]
}

run "refuses_a_country" {
  command = plan

  variables {
    location = "Germany"
  }

  expect_failures = [var.location]
}

run "refuses_a_project_number" {
  command = plan

  variables {
    project_id = "123456789012"
  }

  expect_failures = [var.project_id]
}

run "refuses_people" {
  command = plan

  variables {
    users = { jane = "user:jane@example.com" }
  }

  expect_failures = [var.users]
}

run "data_access_logs" {
  command = plan

  variables {
    data_access_logs = true
  }

  assert {
    condition     = google_project_iam_audit_config.people[0].service == "datastore.googleapis.com" && one(google_project_iam_audit_config.people[0].audit_log_config).log_type == "DATA_WRITE"
    error_message = "Google logs who writes documents"
  }

  assert {
    condition     = one(google_project_iam_audit_config.people[0].audit_log_config).exempted_members == toset(values(var.users))
    error_message = "the functions' own writes are not logged"
  }
}

run "backs_up" {
  command = plan

  variables {
    backups = { days = 3, weeks = 14 }
  }

  assert {
    condition     = google_firestore_backup_schedule.daily.retention == "259200s" && length(google_firestore_backup_schedule.daily.daily_recurrence) == 1
    error_message = "a copy of each day is kept for some days"
  }

  assert {
    condition     = google_firestore_backup_schedule.weekly.retention == "8467200s" && google_firestore_backup_schedule.weekly.weekly_recurrence[0].day == "SUNDAY"
    error_message = "a copy of each week is kept for some weeks"
  }

  assert {
    condition     = google_firestore_backup_schedule.daily.database == google_firestore_database.this.name && google_firestore_backup_schedule.weekly.database == google_firestore_database.this.name
    error_message = "of this database"
  }
}

run "refuses_more_weeks_than_google_keeps" {
  command = plan

  variables {
    backups = { days = 7, weeks = 15 }
  }

  expect_failures = [var.backups]
}
