"""Find groups of failures that nobody annotated, and describe them."""
