# The promises of the budget module.

mock_provider "google" {
  source          = "../../testing"
  override_during = plan
}

variables {
  amount                = 200
  billing_account       = "012345-6789AB-CDEF01"
  name                  = "sync"
  notification_channels = ["projects/p/notificationChannels/1", "projects/p/notificationChannels/2", "projects/p/notificationChannels/3", "projects/p/notificationChannels/4", "projects/p/notificationChannels/5", "projects/p/notificationChannels/6"]
  project_number        = "123456789012"
}

run "budget" {
  command = plan

  assert {
    condition     = google_billing_budget.this.budget_filter[0].projects == toset(["projects/123456789012"]) && google_billing_budget.this.budget_filter[0].calendar_period == "MONTH"
    error_message = "only this project's costs of a month count"
  }

  assert {
    condition     = google_billing_budget.this.amount[0].specified_amount[0].units == "200"
    error_message = "the amount is the one that was given"
  }

  assert {
    condition     = one([for rule in google_billing_budget.this.threshold_rules : rule.threshold_percent if rule.spend_basis == "FORECASTED_SPEND"]) == 1
    error_message = "somebody is told while there is time to act"
  }

  assert {
    condition     = length(google_billing_budget.this.all_updates_rule[0].monitoring_notification_channels) == 5
    error_message = "no more channels than Google takes"
  }
}

run "without_channels" {
  command = plan

  variables {
    notification_channels = []
  }

  assert {
    condition     = length(google_billing_budget.this.all_updates_rule) == 0
    error_message = "the billing account's administrators are told"
  }
}

run "refuses_half_a_unit" {
  command = plan

  variables {
    amount = 0.5
  }

  expect_failures = [var.amount]
}

run "refuses_an_accounts_full_name" {
  command = plan

  variables {
    billing_account = "billingAccounts/012345-6789AB-CDEF01"
  }

  expect_failures = [var.billing_account]
}

run "refuses_a_long_name" {
  command = plan

  variables {
    name = "marketplace-sync-1"
  }

  expect_failures = [var.name]
}

run "refuses_a_channel_without_its_full_name" {
  command = plan

  variables {
    notification_channels = ["ops"]
  }

  expect_failures = [var.notification_channels]
}

run "refuses_a_project_id" {
  command = plan

  variables {
    project_number = "a-project"
  }

  expect_failures = [var.project_number]
}
