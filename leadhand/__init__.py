"""The one command: starts and watches the processes, the embedded database and broker."""
