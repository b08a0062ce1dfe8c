"""What everything costs, measured beside the peers."""
