"""What a report shows, as plain data: the templates read nothing else."""
