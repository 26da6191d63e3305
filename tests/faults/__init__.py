"""Faults of the whole way: real gateway, Kafka, worker and database, broken under load."""
