"""Where received bytes are kept for ever, with a manifest beside each object."""
