"""xtnd-connector: signed XTND webhooks in, Kafka topics between, a relational mirror out."""

__version__ = "0.1.0"
