"""Charts and map drawings of a report."""
