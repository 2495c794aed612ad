"""The pages. Each module gives ``layout(...)``, what is drawn, and ``register(app, services)``, what happens on it."""
