# tests/delivery/terraform shows tokens to the conditions of this plan.

mock_provider "google" {
  source          = "../testing"
  override_during = plan
}

override_resource {
  target          = module.github.google_service_account.deployer
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-deployer@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-deployer@a-project.iam.gserviceaccount.com"
    email  = "sync-deployer@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-deployer@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.github.google_service_account.planner
  override_during = plan
  values = {
    id     = "projects/a-project/serviceAccounts/sync-planner@a-project.iam.gserviceaccount.com"
    name   = "projects/a-project/serviceAccounts/sync-planner@a-project.iam.gserviceaccount.com"
    email  = "sync-planner@a-project.iam.gserviceaccount.com"
    member = "serviceAccount:sync-planner@a-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = module.github.google_iam_workload_identity_pool.this
  override_during = plan
  values = {
    name = "projects/123456789012/locations/global/workloadIdentityPools/sync-github"
  }
}

override_resource {
  target          = module.github.google_project_iam_custom_role.planner
  override_during = plan
  values = {
    name = "projects/a-project/roles/sync_planner"
  }
}

variables {
  project_id    = "a-project"
  repository    = "an-owner/a-repository"
  repository_id = "1234567"
  state_bucket  = "a-project-terraform"
}

run "plan" {
  command = plan

  assert {
    condition     = output.accounts == { deploy = "sync-deployer@a-project.iam.gserviceaccount.com", plan = "sync-planner@a-project.iam.gserviceaccount.com" }
    error_message = "the accounts are outputs"
  }
}
