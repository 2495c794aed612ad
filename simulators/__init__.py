"""A factory that speaks the real protocols, as strict as a device."""
