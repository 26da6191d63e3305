"""The worker: a Faust app whose agents carry chunks of records into the mirror."""
