"""Find images that show the same thing: equal, nearly equal, or transformed copies."""
