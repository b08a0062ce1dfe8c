"""Evidence: what rules and reviewers read of an account's past, then and now."""
