"""How often verdicts are right: simulated audits whose truth is known."""
