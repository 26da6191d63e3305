"""Deliveries on disk while Kafka cannot take them, and their way to Kafka afterwards."""
