"""From the claims of all checks to findings: multiple testing, severity, causes, data faults."""
