"""Compare slices: counts, confounding, intersections, contingency tables."""
