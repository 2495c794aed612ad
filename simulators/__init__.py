"""A factory that speaks the real protocols, as strict as a device. Started as processes; nobody imports it."""
