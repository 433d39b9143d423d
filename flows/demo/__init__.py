"""The demo town: a seeded generator and a one-command run."""
