"""Kafka: where records go, the topics, and publishing."""
