"""Adapters for Google Cloud: Firestore, Pub/Sub, Secret Manager."""
