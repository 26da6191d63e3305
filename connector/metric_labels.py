"""Labels of the metrics that are known before anything is counted."""

ANSWER_STATUSES = (200, 202, 400, 401, 404, 405, 408, 413, 415, 429, 431, 500, 503)
# Answers to what belongs to no hook: an unknown path, a head that cannot be read.
NO_HOOK = "-"
GATEWAY_REASONS = (
    "details-kind",
    "expands-too-far",
    "family-not-allowed",
    "key-empty",
    "key-kind",
    "key-missing",
    "key-too-long",
    "lone-surrogate",
    "no-action",
    "no-delivery-id",
    "no-notifications",
    "not-an-object",
    "not-json",
    "not-utf8",
    "notification-kind",
    "nul-character",
    "number-range",
    "record-too-large",
    "too-deep",
    "too-many-notifications",
)
WORKER_REASONS = (
    "batch-too-large",
    "batch-unreadable",
    "database-refused",
    "details-kind",
    "foreign-dead-letter",
    "foreign-event",
    "key-empty",
    "key-missing",
    "lone-surrogate",
    "not-a-boolean",
    "not-a-number",
    "not-a-timestamp",
    "not-an-event",
    "not-text",
    "nul-character",
    "null-record",
    "number-range",
    "text-too-long",
    "unforeseen",
)
HYDRATOR_REASONS = (
    "answer-too-large",
    "key-not-askable",
    "record-not-storable",
    "record-too-large",
    "record-unreadable",
    "request-refused",
)
HYDRATOR_RESULTS = (
    "away",
    "forbidden",
    "limited",
    "login",
    "missing",
    "record",
    "refused",
    "unreadable",
)
# What publishing fails with, by the name of the error's class; any other counts as OTHER.
PUBLISH_ERRORS = (
    "AckTimeout",
    "BrokerResponseError",
    "KafkaConnectionError",
    "KafkaTimeoutError",
    "LeaderNotAvailableError",
    "MessageSizeTooLargeError",
    "NotEnoughReplicasError",
    "NotLeaderForPartitionError",
    "OutOfOrderSequenceNumber",
    "RequestTimedOutError",
    "TopicAuthorizationFailedError",
    "UnknownTopicOrPartitionError",
)
OTHER = "Other"
PARTS = ("database", "kafka")
