"""The process of the hydrator: its core with the mirror's due keys, Kafka and the API."""
