"""What needs a transaction or a unique key: API keys, idempotency keys, sessions, the work queue."""
