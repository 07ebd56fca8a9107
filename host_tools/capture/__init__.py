"""Captures: record what the lab sees, and explain a capture as the story of a wake-up."""
