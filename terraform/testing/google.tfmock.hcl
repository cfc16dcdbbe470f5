# What Google would answer, as far as the tests look at it. Account e-mails are as Google makes them.

mock_data "google_project" {
  defaults = {
    number = "123456789012"
  }
}
