locals {
  # Title, metric, how its points and series are joined, label that splits the chart.
  _charts = [
    ["Runs by how they ended", local._metric.runs, "SUM", "metric.label.status"],
    ["Connections synced, by outcome", local._metric.tasks, "SUM", "metric.label.status"],
    ["Connections that need attention", local._metric.attention, "SUM", "metric.label.kind"],
    ["Rejected records", local._metric.rejects, "SUM", "metric.label.stream"],
    ["Oldest waiting message (s)", "${local._subscription}/oldest_unacked_message_age\" AND ${local._waiting}", "MAX", "resource.label.subscription_id"],
    ["Dead messages", "${local._subscription}/num_undelivered_messages\" AND ${local._dead}", "MAX", "resource.label.subscription_id"],
    ["Instances", "resource.type = \"cloud_run_revision\" AND metric.type = \"run.googleapis.com/container/instance_count\" AND resource.labels.service_name = one_of(${join(", ", [for name in var.functions : "\"${name}\""])})", "MAX", "resource.label.service_name"],
    ["Refused callers", local._metric.refused, "SUM", "metric.label.status"],
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName = "Marketplace sync (${var.name})"
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, chart in local._charts : {
          xPos   = index % 2 * 24
          yPos   = floor(index / 2) * 16
          width  = 24
          height = 16
          widget = {
            title = chart[0]
            xyChart = {
              dataSets = [{
                plotType = "STACKED_BAR"
                timeSeriesQuery = {
                  timeSeriesFilter = {
                    filter = chart[1]
                    aggregation = {
                      alignmentPeriod    = "900s"
                      perSeriesAligner   = "ALIGN_${chart[2]}"
                      crossSeriesReducer = "REDUCE_${chart[2]}"
                      groupByFields      = [chart[3]]
                    }
                  }
                }
              }]
            }
          }
        }
      ]
    }
  })
}
