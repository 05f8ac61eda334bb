"""The verbs of an audit: predict, mine, split, explain, judge. None imports another."""
