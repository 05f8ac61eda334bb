"""``auditor review``: a reviewer decides on each finding, in the browser or from the command line."""
