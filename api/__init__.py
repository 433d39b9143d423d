"""The HTTP API over gold and the live state."""
