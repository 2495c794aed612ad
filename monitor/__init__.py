"""Samples to states, alarms and losses. The room stands; its process comes with the monitor capability."""
