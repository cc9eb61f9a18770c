"""What does the page become? Scanned once, filled per visitor."""
