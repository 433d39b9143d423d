"""The ClickHouse warehouse: one client for chDB in the process and for a server."""
