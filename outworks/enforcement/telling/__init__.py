"""Telling: notices to accounts, their appeals, and webhooks to the product."""
