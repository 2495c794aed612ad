"""The words of the factory: values and pure functions. No network, no database; reads only its own settings files."""
