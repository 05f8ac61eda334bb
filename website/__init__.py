"""Parts of the documentation that are made from the code: pages and images of the report."""
