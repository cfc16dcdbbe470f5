"""The local stack: sandbox marketplaces, issuer, scheduler, and one command that starts it all."""
