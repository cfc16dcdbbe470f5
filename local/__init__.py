"""The local stack: sandbox marketplaces, token issuer, scheduler, and one command that starts them all."""
