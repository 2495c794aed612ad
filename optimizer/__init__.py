"""Orders and measured history to recommendations. The room stands; its process comes with the route and plan capabilities."""
