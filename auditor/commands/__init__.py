"""Commands that are more than a call; each imports what it needs, so that `auditor --help` is quick."""
