"""How often verdicts are right: simulations of audits whose truth is known."""
