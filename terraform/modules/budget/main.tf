# A budget for the project's costs. It warns; nothing is switched off.

# For a person's login the provider needs `billing_project` and `user_project_override`, or the API answers 403
# (registry.terraform.io/providers/hashicorp/google/latest/docs/resources/billing_budget).
resource "google_billing_budget" "this" {
  billing_account = var.billing_account
  display_name    = "${var.name}: costs of a month"

  budget_filter {
    projects        = ["projects/${var.project_number}"]
    calendar_period = "MONTH"
  }

  # In the account's own currency; any other one is refused.
  amount {
    specified_amount {
      units = tostring(var.amount)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 0.9
  }
  threshold_rules {
    threshold_percent = 1.0
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  # Beside the billing account's administrators, whom Google tells by default. At most five channels are taken.
  dynamic "all_updates_rule" {
    for_each = length(var.notification_channels) > 0 ? [1] : []

    content {
      monitoring_notification_channels = slice(var.notification_channels, 0, min(5, length(var.notification_channels)))
    }
  }
}
