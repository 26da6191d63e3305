CREATE TABLE _archived_rows (
	table_name TEXT NOT NULL, 
	row_digest TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	PRIMARY KEY (table_name, row_digest)
)
 STRICT;
CREATE TABLE _archives (
	archive INTEGER NOT NULL, 
	month TEXT NOT NULL, 
	file TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	events INTEGER NOT NULL, 
	unkeyed INTEGER NOT NULL, 
	made_at TEXT NOT NULL, 
	read_at TEXT, 
	emptied_at TEXT, 
	former TEXT, 
	PRIMARY KEY (archive)
)
 STRICT;
CREATE TABLE _audits (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	entity_key TEXT NOT NULL, 
	compared INTEGER NOT NULL, 
	moved INTEGER NOT NULL, 
	left_out INTEGER NOT NULL, 
	page INTEGER, 
	PRIMARY KEY (shop, family)
)
 STRICT;
CREATE TABLE _backfills (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	changed_since TEXT NOT NULL, 
	changed_until TEXT, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	part INTEGER NOT NULL, 
	reading INTEGER NOT NULL, 
	page INTEGER, 
	listed INTEGER NOT NULL, 
	asked INTEGER NOT NULL, 
	PRIMARY KEY (shop, family)
)
 STRICT;
CREATE TABLE _bodies (
	entity_key TEXT NOT NULL, 
	source TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	details TEXT NOT NULL, 
	PRIMARY KEY (entity_key, source, digest)
)
 STRICT;
CREATE TABLE _consumer_offsets (
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	next_offset INTEGER NOT NULL, 
	records_lost INTEGER NOT NULL, 
	updated_at TEXT NOT NULL, 
	topic_id TEXT, 
	clock_distance_ms INTEGER, 
	PRIMARY KEY (topic, partition)
)
 STRICT;
CREATE TABLE _dead_letters (
	dead_letter_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	error TEXT NOT NULL, 
	hook TEXT, 
	action TEXT, 
	event_id TEXT, 
	payload BLOB NOT NULL, 
	context TEXT NOT NULL, 
	kafka_topic TEXT, 
	kafka_partition INTEGER, 
	kafka_offset INTEGER, 
	parked_at TEXT NOT NULL, 
	state TEXT NOT NULL, 
	state_at TEXT NOT NULL, 
	PRIMARY KEY (dead_letter_id)
)
 STRICT;
CREATE INDEX ix_dead_letters_reason ON _dead_letters (reason);
CREATE INDEX ix_dead_letters_state_parked_at ON _dead_letters (state, parked_at);
CREATE TABLE _drift (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	entity_key TEXT NOT NULL, 
	table_name TEXT NOT NULL, 
	row_key TEXT NOT NULL, 
	column_name TEXT NOT NULL, 
	found_at TEXT NOT NULL, 
	hooked_at TEXT, 
	mirrored TEXT, 
	source TEXT, 
	PRIMARY KEY (shop, family, started_at, entity_key, table_name, row_key, column_name)
)
 STRICT;
CREATE TABLE _forgotten (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	entity_key TEXT NOT NULL, 
	forgotten_at TEXT NOT NULL, 
	ended_at TEXT, 
	changed_at TEXT NOT NULL, 
	PRIMARY KEY (shop, family, entity_key)
)
 STRICT;
CREATE TABLE _hydration_work (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	entity_key TEXT NOT NULL, 
	asked_at TEXT, 
	again_at TEXT, 
	answered_at TEXT, 
	marked_at TEXT, 
	lease INTEGER, 
	leased_by TEXT, 
	leased_at TEXT, 
	leased_until TEXT, 
	not_before TEXT, 
	trouble TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	swept_at TEXT, 
	changed_at TEXT, 
	row_digest TEXT, 
	audited_at TEXT, 
	PRIMARY KEY (shop, family, entity_key)
)
 STRICT;
CREATE INDEX ix_hydration_work_again_at ON _hydration_work (family, again_at) WHERE again_at IS NOT NULL;
CREATE INDEX ix_hydration_work_asked_at ON _hydration_work (family, asked_at) WHERE asked_at IS NOT NULL;
CREATE INDEX ix_hydration_work_leased ON _hydration_work (leased_until, leased_by) WHERE leased_until IS NOT NULL;
CREATE INDEX ix_hydration_work_swept_at ON _hydration_work (family, swept_at) WHERE swept_at IS NOT NULL;
CREATE TABLE _mirror_counters (
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	family TEXT NOT NULL, 
	events INTEGER NOT NULL, 
	first_received_at TEXT NOT NULL, 
	last_received_at TEXT NOT NULL, 
	last_mirrored_at TEXT NOT NULL, 
	PRIMARY KEY (topic, partition, family)
)
 STRICT;
CREATE TABLE _mirror_layout (
	version INTEGER NOT NULL, 
	connector TEXT NOT NULL, 
	made_at TEXT NOT NULL, 
	PRIMARY KEY (version)
)
 STRICT;
CREATE TABLE _mirror_losses (
	topic TEXT NOT NULL, 
	partition INTEGER NOT NULL, 
	first_offset INTEGER NOT NULL, 
	next_offset INTEGER, 
	records INTEGER, 
	sent_after TEXT, 
	sent_before TEXT, 
	found_at TEXT NOT NULL, 
	acknowledged_at TEXT, 
	PRIMARY KEY (topic, partition, first_offset, found_at)
)
 STRICT;
CREATE TABLE _mirror_routes (
	family TEXT NOT NULL, 
	action TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	PRIMARY KEY (family, action)
)
 STRICT;
CREATE TABLE _mirror_rules (
	table_name TEXT NOT NULL, 
	column_name TEXT NOT NULL, 
	rule TEXT NOT NULL, 
	PRIMARY KEY (table_name, column_name)
)
 STRICT;
CREATE TABLE _notifications (
	event_id TEXT NOT NULL, 
	delivery_id TEXT, 
	notification_index INTEGER, 
	hook TEXT, 
	attempt INTEGER, 
	family TEXT NOT NULL, 
	action TEXT NOT NULL, 
	entity_key TEXT, 
	details TEXT NOT NULL, 
	properties TEXT NOT NULL, 
	received_at TEXT NOT NULL, 
	occurred_at TEXT NOT NULL, 
	kafka_topic TEXT NOT NULL, 
	kafka_partition INTEGER NOT NULL, 
	kafka_offset INTEGER NOT NULL, 
	mirrored_at TEXT NOT NULL, 
	source TEXT NOT NULL, 
	body BLOB, 
	archive INTEGER, 
	PRIMARY KEY (event_id, source)
)
 STRICT;
CREATE INDEX ix_notifications_entity_key ON _notifications (entity_key);
CREATE INDEX ix_notifications_received_at ON _notifications (received_at);
CREATE INDEX ix_notifications_unkeyed ON _notifications (action, event_id, source) WHERE json_type(details) = 'array' OR entity_key IS NULL;
CREATE TABLE _sweeps (
	shop TEXT NOT NULL, 
	family TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	alive_until TEXT NOT NULL, 
	finished_at TEXT, 
	whole INTEGER NOT NULL, 
	listed INTEGER NOT NULL, 
	enqueued INTEGER NOT NULL, 
	repaired INTEGER NOT NULL, 
	lost_hooks INTEGER NOT NULL, 
	PRIMARY KEY (shop, family, started_at)
)
 STRICT
