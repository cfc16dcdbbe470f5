"""The page in a browser, served to this machine alone: `marketplace-sync ui`.

`server.serve` starts it. Nothing else imports Flask or Jinja2.
"""
