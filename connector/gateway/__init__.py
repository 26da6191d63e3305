"""The HTTP listener: verifies XTND's deliveries and puts their events on Kafka."""
