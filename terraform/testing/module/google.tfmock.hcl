# Google's answers to the plans of modules/marketplace_sync. Account e-mails have Google's form. An override only reaches
# resources of the provider that reads it: `google` and `google-beta` both read this file.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}

override_resource {
  target = module.api.google_service_account.this
  values = {
    id     = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-api@a-project.iam.gserviceaccount.com"
    email  = "sync-api@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.worker.google_service_account.this
  values = {
    id     = "projects/a-project/serviceAccounts/sync-worker@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-worker@a-project.iam.gserviceaccount.com"
    email  = "sync-worker@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.queue.google_service_account.push
  values = {
    id     = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    email  = "sync-push@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-push@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.scheduler
  values = {
    id     = "projects/a-project/serviceAccounts/sync-scheduler@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-scheduler@a-project.iam.gserviceaccount.com"
    email  = "sync-scheduler@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-scheduler@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.operator
  values = {
    id     = "projects/a-project/serviceAccounts/sync-op-jane@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-op-jane@a-project.iam.gserviceaccount.com"
    email  = "sync-op-jane@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-op-jane@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.queue.google_project_service_identity.pubsub
  values = {
    member = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.queue.google_pubsub_topic.tasks
  values = {
    id = "projects/a-project/topics/sync-tasks"
  }
}

override_resource {
  target = module.queue.google_pubsub_topic.dead
  values = {
    id = "projects/a-project/topics/sync-tasks-dead"
  }
}

override_resource {
  target = module.queue_backfill.google_service_account.push
  values = {
    id     = "projects/a-project/serviceAccounts/sync-push-backfill@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-push-backfill@a-project.iam.gserviceaccount.com"
    email  = "sync-push-backfill@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-push-backfill@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.queue_backfill.google_project_service_identity.pubsub
  values = {
    member = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}

override_resource {
  target = module.queue_backfill.google_pubsub_topic.tasks
  values = {
    id = "projects/a-project/topics/sync-tasks-backfill"
  }
}

override_resource {
  target = module.queue_backfill.google_pubsub_topic.dead
  values = {
    id = "projects/a-project/topics/sync-tasks-backfill-dead"
  }
}
