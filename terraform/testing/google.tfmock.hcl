# Google's answers to the modules' plans, as far as the tests read them.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}
