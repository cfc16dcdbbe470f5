# The promises of the queue module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

mock_provider "google-beta" {
  override_during = plan
}

override_resource {
  target          = google_service_account.push
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-push@a-project.iam.gserviceaccount.com"
    email  = "sync-push@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-push@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_pubsub_topic.tasks
  override_during = plan
  values = {
    id = "projects/a-project/topics/sync-tasks"
  }
}

override_resource {
  target          = google_pubsub_topic.dead
  override_during = plan
  values = {
    id = "projects/a-project/topics/sync-tasks-dead"
  }
}

override_resource {
  target          = google_project_service_identity.pubsub
  override_during = plan
  values = {
    member = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}

variables {
  delivery = {
    ack_deadline_seconds = 600
    max_attempts         = 20
    max_backoff_seconds  = 600
    min_backoff_seconds  = 10
  }
  labels        = {}
  name          = "sync"
  project_id    = "a-project"
  api_member    = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com"
  publishers    = { api = "serviceAccount:sync-api@a-project.iam.gserviceaccount.com" }
  worker_member = "serviceAccount:sync-worker@a-project.iam.gserviceaccount.com"
  worker_url    = "https://sync-worker-123456789012.europe-west1.run.app"
}

run "queue" {
  command = plan

  assert {
    condition     = google_service_account_iam_member.push_tokens.role == "roles/iam.serviceAccountTokenCreator" && google_service_account_iam_member.push_tokens.service_account_id == google_service_account.push.name && google_service_account_iam_member.push_tokens.member == google_project_service_identity.pubsub.member
    error_message = "Pub/Sub can make the tokens of its pushes, as the push account only"
  }

  assert {
    condition     = time_sleep.agent.create_duration == "60s"
    error_message = "its account is granted nothing before it is known everywhere"
  }

  assert {
    condition     = google_pubsub_subscription.worker.push_config[0].push_endpoint == "${var.worker_url}/projects/a-project/topics/sync-tasks"
    error_message = "messages are pushed to the worker, with the topic in the path"
  }

  assert {
    condition     = google_pubsub_subscription.worker.push_config[0].oidc_token[0].audience == var.worker_url && google_pubsub_subscription.worker.push_config[0].oidc_token[0].service_account_email == google_service_account.push.email
    error_message = "pushes carry a token of the push account, made out to the worker"
  }

  assert {
    condition     = length(google_pubsub_subscription.worker.push_config[0].no_wrapper) == 0
    error_message = "the worker is sent the whole message"
  }

  assert {
    condition     = google_pubsub_subscription.worker.ack_deadline_seconds == 600
    error_message = "a message is not delivered again while it is worked on"
  }

  assert {
    condition     = google_pubsub_subscription.worker.retry_policy[0].minimum_backoff == "10s" && google_pubsub_subscription.worker.retry_policy[0].maximum_backoff == "600s"
    error_message = "failed deliveries are spaced out"
  }

  assert {
    condition     = google_pubsub_subscription.worker.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead.id && google_pubsub_subscription.worker.dead_letter_policy[0].max_delivery_attempts == 20
    error_message = "a message that never succeeds goes to the dead-letter topic"
  }

  assert {
    condition     = google_pubsub_subscription.worker.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead.expiration_policy[0].ttl == ""
    error_message = "subscriptions never expire"
  }

  assert {
    condition     = google_pubsub_subscription.worker.message_retention_duration == "604800s"
    error_message = "messages survive an outage of a week"
  }

  assert {
    condition     = google_pubsub_subscription.dead.topic == google_pubsub_topic.dead.id && google_pubsub_subscription.dead.message_retention_duration == "2678400s"
    error_message = "dead messages are kept for a month"
  }

  assert {
    condition     = length(google_pubsub_subscription.dead.push_config) == 0
    error_message = "dead messages wait for a person"
  }

  assert {
    condition     = google_pubsub_topic_iam_member.dead_letters_in.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.dead_letters_in.topic == "sync-tasks-dead"
    error_message = "Pub/Sub may publish dead letters"
  }

  assert {
    condition     = google_pubsub_subscription_iam_member.dead_letters_out.role == "roles/pubsub.subscriber" && google_pubsub_subscription_iam_member.dead_letters_out.subscription == "sync-tasks-worker"
    error_message = "Pub/Sub may take them off the subscription"
  }

  assert {
    condition     = google_pubsub_topic_iam_member.dead_letters_in.member == google_project_service_identity.pubsub.member && google_pubsub_subscription_iam_member.dead_letters_out.member == google_project_service_identity.pubsub.member
    error_message = "both belong to the Pub/Sub service agent"
  }

  assert {
    condition     = google_project_iam_member.dead_letters_counted[0].role == "roles/monitoring.viewer" && google_project_iam_member.dead_letters_counted[0].project == "a-project" && google_project_iam_member.dead_letters_counted[0].member == var.api_member
    error_message = "the HTTP function may read metrics, and no more"
  }

  assert {
    condition     = google_pubsub_topic_iam_member.unreadable_in[0].role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.unreadable_in[0].topic == "sync-tasks-dead" && google_pubsub_topic_iam_member.unreadable_in[0].member == var.worker_member
    error_message = "the worker may publish unreadable messages to the dead-letter topic"
  }

  assert {
    condition     = length(google_pubsub_topic_iam_member.publisher) == 1 && google_pubsub_topic_iam_member.publisher["api"].role == "roles/pubsub.publisher"
    error_message = "only the given accounts publish"
  }
}

run "lane" {
  command = plan

  variables {
    lane = "backfill"
  }

  assert {
    condition     = google_pubsub_topic.tasks.name == "sync-tasks-backfill" && google_pubsub_topic.dead.name == "sync-tasks-backfill-dead" && google_pubsub_subscription.worker.name == "sync-tasks-backfill-worker" && google_pubsub_subscription.dead.name == "sync-tasks-backfill-dead" && google_service_account.push.account_id == "sync-push-backfill"
    error_message = "a second lane shares no name with the first"
  }

  assert {
    condition     = length(google_pubsub_topic_iam_member.unreadable_in) == 0
    error_message = "unreadable messages are kept in the first lane"
  }
}

run "refuses_a_third_lane" {
  command = plan

  variables {
    lane = "slow"
  }

  expect_failures = [var.lane]
}

run "refuses_an_ack_deadline_over_ten_minutes" {
  command = plan

  variables {
    delivery = { ack_deadline_seconds = 601, max_attempts = 20, max_backoff_seconds = 600, min_backoff_seconds = 10 }
  }

  expect_failures = [var.delivery]
}

run "refuses_too_few_attempts" {
  command = plan

  variables {
    delivery = { ack_deadline_seconds = 600, max_attempts = 4, max_backoff_seconds = 600, min_backoff_seconds = 10 }
  }

  expect_failures = [var.delivery]
}

run "refuses_a_backoff_that_shrinks" {
  command = plan

  variables {
    delivery = { ack_deadline_seconds = 600, max_attempts = 20, max_backoff_seconds = 60, min_backoff_seconds = 300 }
  }

  expect_failures = [var.delivery]
}

run "refuses_capital_labels" {
  command = plan

  variables {
    labels = { Team = "Sync" }
  }

  expect_failures = [var.labels]
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

run "refuses_everybody" {
  command = plan

  variables {
    publishers = { everybody = "allAuthenticatedUsers" }
  }

  expect_failures = [var.publishers]
}

run "refuses_a_counter_that_is_everybody" {
  command = plan

  variables {
    api_member = "allUsers"
  }

  expect_failures = [var.api_member]
}

run "refuses_a_worker_that_is_everybody" {
  command = plan

  variables {
    worker_member = "allUsers"
  }

  expect_failures = [var.worker_member]
}

run "refuses_a_trailing_slash" {
  command = plan

  variables {
    worker_url = "https://sync-worker.example.run.app/"
  }

  expect_failures = [var.worker_url]
}
