"""Interventions: change images in one respect and measure what the model predicts then."""
