"""Commands that print each figure Leadhand promises, as ratios measured in one run."""
