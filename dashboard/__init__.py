"""What people see, and the only REST server. Writes rows, decides nothing."""
