output "notification_channels" {
  description = "Full names of the channels that the alerts go to."
  value       = local._channels
}
