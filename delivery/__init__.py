"""Recommendations to line controllers and their answers back. The room stands; its process comes with the delivery capability."""
