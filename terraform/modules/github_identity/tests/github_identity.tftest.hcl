# The promises of the github_identity module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

override_resource {
  target          = google_service_account.deployer
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-deployer@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-deployer@a-project.iam.gserviceaccount.com"
    email  = "sync-deployer@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-deployer@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.planner
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-planner@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-planner@a-project.iam.gserviceaccount.com"
    email  = "sync-planner@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-planner@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_iam_workload_identity_pool.this
  override_during = plan
  values = {
    name = "projects/123456789012/locations/global/workloadIdentityPools/sync-github"
  }
}

override_resource {
  target          = google_project_iam_custom_role.planner
  override_during = plan
  values = {
    name = "projects/a-project/roles/sync_planner"
  }
}

variables {
  name          = "sync"
  project_id    = "a-project"
  repository    = "an-owner/a-repository"
  repository_id = "1234567"
  state_bucket  = "a-project-terraform"
}

run "identities" {
  command = plan

  assert {
    condition     = google_iam_workload_identity_pool_provider.this["deploy"].attribute_condition == "assertion.repository_id == '1234567' && assertion.repository == 'an-owner/a-repository' && assertion.environment == 'dev' && assertion.event_name == 'push' && assertion.ref == 'refs/heads/main' && assertion.workflow_ref == 'an-owner/a-repository/.github/workflows/ci.yml@refs/heads/main'"
    error_message = "only the branch's own workflow deploys"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.this["plan"].attribute_condition == "assertion.repository_id == '1234567' && assertion.repository == 'an-owner/a-repository' && assertion.environment == 'plan' && assertion.event_name == 'pull_request' && assertion.base_ref == 'main' && assertion.workflow_ref.startsWith('an-owner/a-repository/.github/workflows/ci.yml@refs/pull/')"
    error_message = "only its pull requests plan"
  }

  assert {
    condition     = endswith(google_service_account_iam_member.identity["deploy"].service_account_id, "sync-deployer@a-project.iam.gserviceaccount.com") && endswith(google_service_account_iam_member.identity["deploy"].member, "workloadIdentityPools/sync-github/attribute.deploys/1234567")
    error_message = "the deployer is given by an attribute"
  }

  assert {
    condition     = endswith(google_service_account_iam_member.identity["plan"].service_account_id, "sync-planner@a-project.iam.gserviceaccount.com") && endswith(google_service_account_iam_member.identity["plan"].member, "workloadIdentityPools/sync-github/attribute.plans/1234567")
    error_message = "the planner by another one"
  }

  assert {
    condition     = toset(keys(google_iam_workload_identity_pool_provider.this["plan"].attribute_mapping)) == toset(["google.subject", "attribute.plans"])
    error_message = "which is all that a pull request's token has"
  }

  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.planner.permissions : can(regex("\\.(get|list|getIamPolicy|getMetadata|use)$", permission))])
    error_message = "the planner reads only"
  }

  assert {
    condition     = length([for permission in google_project_iam_custom_role.planner.permissions : permission if can(regex("entities|versions\\.access|objects|logEntries", permission))]) == 0
    error_message = "and no records, credentials, files or logs"
  }

  assert {
    condition     = google_project_iam_member.planner_source.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/a-project-sync-source/\")" && google_storage_bucket_iam_member.planner_state.bucket == "a-project-terraform"
    error_message = "but the source and the state"
  }

  assert {
    condition     = contains(keys(google_project_iam_member.deployer), "serviceusage.serviceUsageAdmin") && alltrue([for grant in google_project_iam_member.deployer : grant.member == google_service_account.deployer.member])
    error_message = "the deployer may use the project's quota, and nobody else is granted its roles"
  }
}

run "further_roles" {
  command = plan

  variables {
    deployer_roles = ["compute.networkAdmin"]
  }

  assert {
    condition     = google_project_iam_member.deployer["compute.networkAdmin"].role == "roles/compute.networkAdmin"
    error_message = "a setting's roles are added"
  }
}

run "refuses_a_ref" {
  command = plan

  variables {
    branch = "refs/heads/main"
  }

  expect_failures = [var.branch]
}

run "refuses_a_basic_role" {
  command = plan

  variables {
    deployer_roles = ["owner"]
  }

  expect_failures = [var.deployer_roles]
}

run "refuses_the_plans_environment" {
  command = plan

  variables {
    environment = "plan"
  }

  expect_failures = [var.environment]
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

run "refuses_a_repository_without_its_owner" {
  command = plan

  variables {
    repository = "a-repository"
  }

  expect_failures = [var.repository]
}

run "refuses_a_name_for_a_number" {
  command = plan

  variables {
    repository_id = "a-repository"
  }

  expect_failures = [var.repository_id]
}

run "refuses_a_url" {
  command = plan

  variables {
    state_bucket = "gs://a-project-terraform"
  }

  expect_failures = [var.state_bucket]
}

run "refuses_another_folder" {
  command = plan

  variables {
    workflow = "ci.yml"
  }

  expect_failures = [var.workflow]
}
