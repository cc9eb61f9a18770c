"""Tracked forms: what a submitted form says to the vendors, and what of it never leaves."""
