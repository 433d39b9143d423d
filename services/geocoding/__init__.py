"""Answering "where is this address?", with precision and candidates."""
