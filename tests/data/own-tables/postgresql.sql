CREATE TABLE _archived_rows (
	table_name TEXT COLLATE "C" NOT NULL, 
	row_digest TEXT COLLATE "C" NOT NULL, 
	folded TEXT NOT NULL, 
	PRIMARY KEY (table_name, row_digest)
);
COMMENT ON TABLE _archived_rows IS 'Rows of tables as the archived events alone give them (connector''s own).';
COMMENT ON COLUMN _archived_rows.table_name IS 'Table of the mirror.';
COMMENT ON COLUMN _archived_rows.row_digest IS 'Digest of the row''s key.';
COMMENT ON COLUMN _archived_rows.folded IS 'The key and the fold, as JSON.';
CREATE TABLE _archives (
	archive SERIAL NOT NULL, 
	month TEXT NOT NULL, 
	file TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	events BIGINT NOT NULL, 
	unkeyed BIGINT NOT NULL, 
	made_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	read_at TIMESTAMP(6) WITH TIME ZONE, 
	emptied_at TIMESTAMP(6) WITH TIME ZONE, 
	former TEXT, 
	PRIMARY KEY (archive)
);
COMMENT ON TABLE _archives IS 'Files with what events say that left the ledger (connector''s own).';
COMMENT ON COLUMN _archives.archive IS 'Number of the archive, as in notifications.';
COMMENT ON COLUMN _archives.month IS 'In which month its events were received (UTC), as 2024-03.';
COMMENT ON COLUMN _archives.file IS 'Path or URL of its Parquet file.';
COMMENT ON COLUMN _archives.sha256 IS 'SHA-256 of the file.';
COMMENT ON COLUMN _archives.size_bytes IS 'Size of the file in bytes.';
COMMENT ON COLUMN _archives.events IS 'How many events the file has.';
COMMENT ON COLUMN _archives.unkeyed IS 'How many of them speak of entities that entity_key does not name.';
COMMENT ON COLUMN _archives.made_at IS 'When the file was made (UTC).';
COMMENT ON COLUMN _archives.read_at IS 'When it was read back and found whole (UTC).';
COMMENT ON COLUMN _archives.emptied_at IS 'Since when the ledger no longer has what they say (UTC).';
COMMENT ON COLUMN _archives.former IS 'The file that this one took the place of, to be removed.';
CREATE TABLE _audits (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	started_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP(6) WITH TIME ZONE, 
	entity_key TEXT COLLATE "C" NOT NULL, 
	compared BIGINT NOT NULL, 
	moved BIGINT NOT NULL, 
	left_out BIGINT NOT NULL, 
	page INTEGER, 
	PRIMARY KEY (shop, family)
);
COMMENT ON TABLE _audits IS 'How far the newest audit of a family''s records is (connector''s own).';
COMMENT ON COLUMN _audits.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _audits.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _audits.started_at IS 'When it was started (UTC).';
COMMENT ON COLUMN _audits.finished_at IS 'When all records were read (UTC).';
COMMENT ON COLUMN _audits.entity_key IS 'The last record that was read; empty before the first.';
COMMENT ON COLUMN _audits.compared IS 'Records that were compared.';
COMMENT ON COLUMN _audits.moved IS 'Records that were left to the hydrator, because they changed meanwhile.';
COMMENT ON COLUMN _audits.left_out IS 'Records that the API did not give.';
COMMENT ON COLUMN _audits.page IS 'The last page of the list that was read; null before the first.';
CREATE TABLE _backfills (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	changed_since TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	changed_until TIMESTAMP(6) WITH TIME ZONE, 
	started_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP(6) WITH TIME ZONE, 
	part INTEGER NOT NULL, 
	reading INTEGER NOT NULL, 
	page INTEGER, 
	listed BIGINT NOT NULL, 
	asked BIGINT NOT NULL, 
	PRIMARY KEY (shop, family)
);
COMMENT ON TABLE _backfills IS 'How far a family''s newest backfill is with its list (connector''s own).';
COMMENT ON COLUMN _backfills.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _backfills.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _backfills.changed_since IS 'Since when the records changed (UTC).';
COMMENT ON COLUMN _backfills.changed_until IS 'Until when they changed; null: until its start (UTC).';
COMMENT ON COLUMN _backfills.started_at IS 'When it was started (UTC).';
COMMENT ON COLUMN _backfills.finished_at IS 'When the list was read to its end (UTC).';
COMMENT ON COLUMN _backfills.part IS 'Which window of changes is read, from 0.';
COMMENT ON COLUMN _backfills.reading IS 'Whether it is read for the first time (0) or for the second (1).';
COMMENT ON COLUMN _backfills.page IS 'The last page that was read; null before the first.';
COMMENT ON COLUMN _backfills.listed IS 'Rows that were listed.';
COMMENT ON COLUMN _backfills.asked IS 'Records that were asked for, or published from the list itself.';
CREATE TABLE _bodies (
	entity_key TEXT COLLATE "C" NOT NULL, 
	source TEXT COLLATE "C" NOT NULL, 
	digest BYTEA NOT NULL, 
	details JSONB NOT NULL, 
	PRIMARY KEY (entity_key, source, digest)
);
COMMENT ON TABLE _bodies IS 'What records say, each content of a record once (connector''s own).';
COMMENT ON COLUMN _bodies.entity_key IS 'Entity key of the events that have it.';
COMMENT ON COLUMN _bodies.source IS 'Where these came from.';
COMMENT ON COLUMN _bodies.digest IS 'Digest of the text as received.';
COMMENT ON COLUMN _bodies.details IS 'The text.';
CREATE TABLE _consumer_offsets (
	topic TEXT COLLATE "C" NOT NULL, 
	partition INTEGER NOT NULL, 
	next_offset BIGINT NOT NULL, 
	records_lost BIGINT NOT NULL, 
	updated_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	topic_id TEXT, 
	clock_distance_ms BIGINT, 
	PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE _consumer_offsets IS 'How far the mirror has come on each Kafka partition; moved with the rows.';
COMMENT ON COLUMN _consumer_offsets.topic IS 'Kafka topic.';
COMMENT ON COLUMN _consumer_offsets.partition IS 'Kafka partition.';
COMMENT ON COLUMN _consumer_offsets.next_offset IS 'The first offset that the mirror does not hold yet.';
COMMENT ON COLUMN _consumer_offsets.records_lost IS 'Offsets that Kafka deleted before they were read.';
COMMENT ON COLUMN _consumer_offsets.updated_at IS 'When it last moved (UTC).';
COMMENT ON COLUMN _consumer_offsets.topic_id IS 'Kafka''s id of the topic, so that one re-created is known.';
COMMENT ON COLUMN _consumer_offsets.clock_distance_ms IS 'How far the gateway''s clock was ahead of Kafka''s at the last event (milliseconds).';
CREATE TABLE _dead_letters (
	dead_letter_id TEXT COLLATE "C" NOT NULL, 
	stage TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	error TEXT NOT NULL, 
	hook TEXT, 
	action TEXT, 
	event_id TEXT COLLATE "C", 
	payload BYTEA NOT NULL, 
	context JSONB NOT NULL, 
	kafka_topic TEXT, 
	kafka_partition INTEGER, 
	kafka_offset BIGINT, 
	parked_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	state TEXT NOT NULL, 
	state_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (dead_letter_id)
);
CREATE INDEX ix_dead_letters_reason ON _dead_letters (reason);
CREATE INDEX ix_dead_letters_state_parked_at ON _dead_letters (state, parked_at);
COMMENT ON TABLE _dead_letters IS 'What could not be mirrored as it was, kept raw for a replay.';
COMMENT ON COLUMN _dead_letters.dead_letter_id IS 'The same for every copy of the same fault.';
COMMENT ON COLUMN _dead_letters.stage IS 'gateway or worker: who parked it.';
COMMENT ON COLUMN _dead_letters.reason IS 'Stable short code.';
COMMENT ON COLUMN _dead_letters.error IS 'What is wrong, which field, and the cure.';
COMMENT ON COLUMN _dead_letters.hook IS 'Hook that it came in by.';
COMMENT ON COLUMN _dead_letters.action IS 'XTND''s Action, where it could be read.';
COMMENT ON COLUMN _dead_letters.event_id IS 'The event, where it could be read.';
COMMENT ON COLUMN _dead_letters.payload IS 'Raw, exactly as received.';
COMMENT ON COLUMN _dead_letters.context IS 'What a replay needs beside the payload.';
COMMENT ON COLUMN _dead_letters.kafka_topic IS 'Where the record stood: topic.';
COMMENT ON COLUMN _dead_letters.kafka_partition IS 'Where the record stood: partition.';
COMMENT ON COLUMN _dead_letters.kafka_offset IS 'Where the record stood: offset.';
COMMENT ON COLUMN _dead_letters.parked_at IS 'When it was parked (UTC).';
COMMENT ON COLUMN _dead_letters.state IS 'parked, replayed or discarded.';
COMMENT ON COLUMN _dead_letters.state_at IS 'Since when it is in that state (UTC).';
CREATE TABLE _drift (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	started_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	entity_key TEXT COLLATE "C" NOT NULL, 
	table_name TEXT COLLATE "C" NOT NULL, 
	row_key TEXT COLLATE "C" NOT NULL, 
	column_name TEXT COLLATE "C" NOT NULL, 
	found_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	hooked_at TIMESTAMP(6) WITH TIME ZONE, 
	mirrored TEXT, 
	source TEXT, 
	PRIMARY KEY (shop, family, started_at, entity_key, table_name, row_key, column_name)
);
COMMENT ON TABLE _drift IS 'Where the mirror was not as the source (connector''s own).';
COMMENT ON COLUMN _drift.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _drift.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _drift.started_at IS 'When the audit was started that found it (UTC).';
COMMENT ON COLUMN _drift.entity_key IS 'Which record of the family, as in notifications.';
COMMENT ON COLUMN _drift.table_name IS 'Table of the mirror.';
COMMENT ON COLUMN _drift.row_key IS 'Which of the record''s rows there; empty where it has one.';
COMMENT ON COLUMN _drift.column_name IS 'Column; empty where only one of both has the row.';
COMMENT ON COLUMN _drift.found_at IS 'When the record was asked for (UTC).';
COMMENT ON COLUMN _drift.hooked_at IS 'When the newest hook for it occurred that was mirrored (UTC).';
COMMENT ON COLUMN _drift.mirrored IS 'What the mirror had; of a row its columns as JSON.';
COMMENT ON COLUMN _drift.source IS 'What the source had; of a row its columns as JSON.';
CREATE TABLE _forgotten (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	entity_key TEXT COLLATE "C" NOT NULL, 
	forgotten_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	ended_at TIMESTAMP(6) WITH TIME ZONE, 
	changed_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (shop, family, entity_key)
);
COMMENT ON TABLE _forgotten IS 'Entities that somebody had removed (connector''s own).';
COMMENT ON COLUMN _forgotten.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _forgotten.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _forgotten.entity_key IS 'Which entity of it, as in notifications.';
COMMENT ON COLUMN _forgotten.forgotten_at IS 'When it was removed (UTC).';
COMMENT ON COLUMN _forgotten.ended_at IS 'When the first hook of it after that occurred (UTC).';
COMMENT ON COLUMN _forgotten.changed_at IS 'When this row was changed (UTC).';
CREATE TABLE _hydration_work (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	entity_key TEXT COLLATE "C" NOT NULL, 
	asked_at TIMESTAMP(6) WITH TIME ZONE, 
	again_at TIMESTAMP(6) WITH TIME ZONE, 
	answered_at TIMESTAMP(6) WITH TIME ZONE, 
	marked_at TIMESTAMP(6) WITH TIME ZONE, 
	lease BIGINT, 
	leased_by TEXT, 
	leased_at TIMESTAMP(6) WITH TIME ZONE, 
	leased_until TIMESTAMP(6) WITH TIME ZONE, 
	not_before TIMESTAMP(6) WITH TIME ZONE, 
	trouble TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	swept_at TIMESTAMP(6) WITH TIME ZONE, 
	changed_at TIMESTAMP(6) WITH TIME ZONE, 
	row_digest TEXT, 
	audited_at TIMESTAMP(6) WITH TIME ZONE, 
	PRIMARY KEY (shop, family, entity_key)
);
CREATE INDEX ix_hydration_work_again_at ON _hydration_work (family, again_at) WHERE again_at IS NOT NULL;
CREATE INDEX ix_hydration_work_asked_at ON _hydration_work (family, asked_at) WHERE asked_at IS NOT NULL;
CREATE INDEX ix_hydration_work_leased ON _hydration_work (leased_until, leased_by) WHERE leased_until IS NOT NULL;
CREATE INDEX ix_hydration_work_swept_at ON _hydration_work (family, swept_at) WHERE swept_at IS NOT NULL;
COMMENT ON TABLE _hydration_work IS 'How far the hydrator is with records that it is asked for (connector''s own).';
COMMENT ON COLUMN _hydration_work.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _hydration_work.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _hydration_work.entity_key IS 'Which record of it, as in notifications.';
COMMENT ON COLUMN _hydration_work.asked_at IS 'When a backfill, sweep or audit asked for it (UTC).';
COMMENT ON COLUMN _hydration_work.again_at IS 'When it is fetched once more (UTC).';
COMMENT ON COLUMN _hydration_work.answered_at IS 'Up to when wants of hooks are published or parked (UTC).';
COMMENT ON COLUMN _hydration_work.marked_at IS 'The newest snapshot that is published (UTC).';
COMMENT ON COLUMN _hydration_work.lease IS 'Beyond which instant the snapshot of the last lease lies (µs).';
COMMENT ON COLUMN _hydration_work.leased_by IS 'The hydrator that has it.';
COMMENT ON COLUMN _hydration_work.leased_at IS 'Since when it has it (UTC).';
COMMENT ON COLUMN _hydration_work.leased_until IS 'Until when no other hydrator takes it (UTC).';
COMMENT ON COLUMN _hydration_work.not_before IS 'When it is tried again at the earliest (UTC).';
COMMENT ON COLUMN _hydration_work.trouble IS 'Why it was not fetched: away, missing or refused; else empty.';
COMMENT ON COLUMN _hydration_work.tries IS 'How often in a row it was not.';
COMMENT ON COLUMN _hydration_work.swept_at IS 'The start of the newest sweep that asked for it (UTC).';
COMMENT ON COLUMN _hydration_work.changed_at IS 'When the record changed, as that sweep''s list says (UTC).';
COMMENT ON COLUMN _hydration_work.row_digest IS 'Digest of what a sweep''s list had of it last.';
COMMENT ON COLUMN _hydration_work.audited_at IS 'The start of the newest audit whose list had it (UTC).';
CREATE TABLE _mirror_counters (
	topic TEXT COLLATE "C" NOT NULL, 
	partition INTEGER NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	events BIGINT NOT NULL, 
	first_received_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	last_received_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	last_mirrored_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (topic, partition, family)
);
COMMENT ON TABLE _mirror_counters IS 'How many events came of which partition and family (connector''s own).';
COMMENT ON COLUMN _mirror_counters.topic IS 'Kafka topic that the events were read from.';
COMMENT ON COLUMN _mirror_counters.partition IS 'Kafka partition.';
COMMENT ON COLUMN _mirror_counters.family IS 'Family of the events, as in notifications.';
COMMENT ON COLUMN _mirror_counters.events IS 'How many events of notifications they are.';
COMMENT ON COLUMN _mirror_counters.first_received_at IS 'When the first of them was received (UTC).';
COMMENT ON COLUMN _mirror_counters.last_received_at IS 'When the last of them was received (UTC).';
COMMENT ON COLUMN _mirror_counters.last_mirrored_at IS 'When one of them was last committed here (UTC).';
CREATE TABLE _mirror_layout (
	version SERIAL NOT NULL, 
	connector TEXT NOT NULL, 
	made_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (version)
);
COMMENT ON TABLE _mirror_layout IS 'Which layouts the connector''s own tables had.';
COMMENT ON COLUMN _mirror_layout.version IS 'Layout of the connector''s own tables.';
COMMENT ON COLUMN _mirror_layout.connector IS 'Version of the connector that made it.';
COMMENT ON COLUMN _mirror_layout.made_at IS 'Since when the tables have it (UTC).';
CREATE TABLE _mirror_losses (
	topic TEXT COLLATE "C" NOT NULL, 
	partition INTEGER NOT NULL, 
	first_offset BIGINT NOT NULL, 
	next_offset BIGINT, 
	records BIGINT, 
	sent_after TIMESTAMP(6) WITH TIME ZONE, 
	sent_before TIMESTAMP(6) WITH TIME ZONE, 
	found_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	acknowledged_at TIMESTAMP(6) WITH TIME ZONE, 
	PRIMARY KEY (topic, partition, first_offset, found_at)
);
COMMENT ON TABLE _mirror_losses IS 'What Kafka deleted before the mirror read it.';
COMMENT ON COLUMN _mirror_losses.topic IS 'Kafka topic.';
COMMENT ON COLUMN _mirror_losses.partition IS 'Kafka partition.';
COMMENT ON COLUMN _mirror_losses.first_offset IS 'The first offset that may be missing.';
COMMENT ON COLUMN _mirror_losses.next_offset IS 'One past the last; null where nobody can tell.';
COMMENT ON COLUMN _mirror_losses.records IS 'How many are missing; null where nobody can tell, because the topic was re-created.';
COMMENT ON COLUMN _mirror_losses.sent_after IS 'When the last event before them was received (UTC).';
COMMENT ON COLUMN _mirror_losses.sent_before IS 'When the next event was received, or they were missed.';
COMMENT ON COLUMN _mirror_losses.found_at IS 'When the worker missed them (UTC).';
COMMENT ON COLUMN _mirror_losses.acknowledged_at IS 'When somebody took note: connector losses.';
CREATE TABLE _mirror_routes (
	family TEXT COLLATE "C" NOT NULL, 
	action TEXT COLLATE "C" NOT NULL, 
	topic TEXT NOT NULL, 
	PRIMARY KEY (family, action)
);
COMMENT ON TABLE _mirror_routes IS 'Which action belongs to which family and topic.';
COMMENT ON COLUMN _mirror_routes.family IS 'Family of topics.yaml, or unrouted.';
COMMENT ON COLUMN _mirror_routes.action IS 'XTND''s Action; empty for the family itself.';
COMMENT ON COLUMN _mirror_routes.topic IS 'Kafka topic of the family.';
CREATE TABLE _mirror_rules (
	table_name TEXT COLLATE "C" NOT NULL, 
	column_name TEXT COLLATE "C" NOT NULL, 
	rule TEXT NOT NULL, 
	PRIMARY KEY (table_name, column_name)
);
COMMENT ON TABLE _mirror_rules IS 'Which rule filled which column (connector''s own).';
COMMENT ON COLUMN _mirror_rules.table_name IS 'Table of the mirror.';
COMMENT ON COLUMN _mirror_rules.column_name IS 'Column; empty for the table itself.';
COMMENT ON COLUMN _mirror_rules.rule IS 'The rule that filled it, as written in YAML.';
CREATE TABLE _notifications (
	event_id TEXT COLLATE "C" NOT NULL, 
	delivery_id TEXT COLLATE "C", 
	notification_index INTEGER, 
	hook TEXT, 
	attempt INTEGER, 
	family TEXT NOT NULL, 
	action TEXT NOT NULL, 
	entity_key TEXT COLLATE "C", 
	details JSONB NOT NULL, 
	properties JSONB NOT NULL, 
	received_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	occurred_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	kafka_topic TEXT NOT NULL, 
	kafka_partition INTEGER NOT NULL, 
	kafka_offset BIGINT NOT NULL, 
	mirrored_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	source TEXT COLLATE "C" NOT NULL, 
	body BYTEA, 
	archive INTEGER, 
	PRIMARY KEY (event_id, source)
);
CREATE INDEX ix_notifications_entity_key ON _notifications (entity_key);
CREATE INDEX ix_notifications_received_at ON _notifications USING brin (received_at) WITH (autosummarize = true);
CREATE INDEX ix_notifications_unkeyed ON _notifications (action, event_id, source) WHERE jsonb_typeof(details) = 'array' OR entity_key IS NULL;
COMMENT ON TABLE _notifications IS 'The ledger: every event once, as received.';
COMMENT ON COLUMN _notifications.event_id IS '<delivery Id>:<index in Notifications>';
COMMENT ON COLUMN _notifications.delivery_id IS 'XTND''s Id of the delivery, the same on every attempt.';
COMMENT ON COLUMN _notifications.notification_index IS 'Place in the delivery''s Notifications, from 0.';
COMMENT ON COLUMN _notifications.hook IS 'Hook that it came in by.';
COMMENT ON COLUMN _notifications.attempt IS 'Which of XTND''s attempts is kept here, from 1; below 0: forgotten.';
COMMENT ON COLUMN _notifications.family IS 'Family of the action; unrouted when no family claims it.';
COMMENT ON COLUMN _notifications.action IS 'XTND''s Action.';
COMMENT ON COLUMN _notifications.entity_key IS 'What the event speaks of; null for unrouted.';
COMMENT ON COLUMN _notifications.details IS 'The notification''s Details as received.';
COMMENT ON COLUMN _notifications.properties IS 'The delivery''s Properties as received.';
COMMENT ON COLUMN _notifications.received_at IS 'When the gateway had read the whole body (UTC).';
COMMENT ON COLUMN _notifications.occurred_at IS 'Best estimate of when it happened in XTND (UTC).';
COMMENT ON COLUMN _notifications.kafka_topic IS 'Where the record stands on Kafka: topic.';
COMMENT ON COLUMN _notifications.kafka_partition IS 'Where the record stands on Kafka: partition.';
COMMENT ON COLUMN _notifications.kafka_offset IS 'Where the record stands on Kafka: offset.';
COMMENT ON COLUMN _notifications.mirrored_at IS 'When it was committed here (UTC).';
COMMENT ON COLUMN _notifications.source IS 'Where the event came from; with event_id its identity.';
COMMENT ON COLUMN _notifications.body IS 'Digest of a body that stands in _bodies.';
COMMENT ON COLUMN _notifications.archive IS 'Archive that has its Details and Properties, which are empty here; null: they are here.';
CREATE TABLE _sweeps (
	shop TEXT COLLATE "C" NOT NULL, 
	family TEXT COLLATE "C" NOT NULL, 
	started_at TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	alive_until TIMESTAMP(6) WITH TIME ZONE NOT NULL, 
	finished_at TIMESTAMP(6) WITH TIME ZONE, 
	whole INTEGER NOT NULL, 
	listed BIGINT NOT NULL, 
	enqueued BIGINT NOT NULL, 
	repaired BIGINT NOT NULL, 
	lost_hooks BIGINT NOT NULL, 
	PRIMARY KEY (shop, family, started_at)
);
COMMENT ON TABLE _sweeps IS 'What the sweeps of a family''s list found (connector''s own).';
COMMENT ON COLUMN _sweeps.shop IS 'The shop that it is of; empty without shops.';
COMMENT ON COLUMN _sweeps.family IS 'Family of topics.yaml.';
COMMENT ON COLUMN _sweeps.started_at IS 'When it started (UTC).';
COMMENT ON COLUMN _sweeps.alive_until IS 'Until when it is taken to run while it is not finished (UTC).';
COMMENT ON COLUMN _sweeps.finished_at IS 'When the list was read to its end (UTC).';
COMMENT ON COLUMN _sweeps.whole IS '1 where the whole list was read, 0 where what changed was.';
COMMENT ON COLUMN _sweeps.listed IS 'Records that were listed.';
COMMENT ON COLUMN _sweeps.enqueued IS 'Records that were asked for, or published from the list itself.';
COMMENT ON COLUMN _sweeps.repaired IS 'Those of them that were fetched since.';
COMMENT ON COLUMN _sweeps.lost_hooks IS 'Hooks that never came, by what records imply and what changed.'
