"""Tests of the vault, with Tink itself."""
