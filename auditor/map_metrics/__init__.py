"""Metrics of attribution maps: faithfulness, parameter randomization, agreement, localisation, edges."""
