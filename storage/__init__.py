"""What is remembered. The only SQL and the only importer of psycopg."""
