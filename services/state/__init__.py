"""What needs a transaction or a unique key: API keys, idempotency keys, sessions, upload links, the work queue."""
