"""Commands with a file of their own; `auditor/cli.py` registers them."""
