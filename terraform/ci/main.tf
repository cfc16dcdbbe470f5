# The identities of continuous deployment. A person applies it once for each project; docs/deploy.md says how.

module "github" {
  source = "../modules/github_identity"

  deployer_roles = var.deployer_roles
  environment    = var.environment
  name           = "sync"
  project_id     = var.project_id
  repository     = var.repository
  repository_id  = var.repository_id
  state_bucket   = var.state_bucket
}
