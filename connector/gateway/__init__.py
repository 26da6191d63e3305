"""The public door: verifies XTND's deliveries and puts their events on Kafka."""
