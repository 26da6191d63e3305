--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: consumer_offsets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.consumer_offsets (
    topic text NOT NULL COLLATE pg_catalog."C",
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    records_lost bigint NOT NULL,
    updated_at timestamp(6) with time zone NOT NULL
);


--
-- Name: TABLE consumer_offsets; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.consumer_offsets IS 'How far the mirror has come on each Kafka partition; moved with the rows.';


--
-- Name: COLUMN consumer_offsets.topic; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.consumer_offsets.topic IS 'Kafka topic.';


--
-- Name: COLUMN consumer_offsets.partition; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.consumer_offsets.partition IS 'Kafka partition.';


--
-- Name: COLUMN consumer_offsets.next_offset; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.consumer_offsets.next_offset IS 'The first offset that the mirror does not hold yet.';


--
-- Name: COLUMN consumer_offsets.records_lost; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.consumer_offsets.records_lost IS 'Offsets that Kafka no longer held when they were wanted.';


--
-- Name: COLUMN consumer_offsets.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.consumer_offsets.updated_at IS 'When it last moved (UTC).';


--
-- Name: customers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.customers (
    customer_number text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp(6) with time zone,
    changed_at timestamp(6) with time zone,
    change_count bigint DEFAULT '0'::bigint NOT NULL,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE customers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.customers IS 'One row per customer that XTND spoke of.';


--
-- Name: COLUMN customers.customer_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.customer_number IS 'XTND''s customer number.';


--
-- Name: COLUMN customers.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.created_at IS 'When it was created.';


--
-- Name: COLUMN customers.changed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.changed_at IS 'When it last changed.';


--
-- Name: COLUMN customers.change_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.change_count IS 'How often it changed.';


--
-- Name: COLUMN customers.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN customers.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN customers.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN customers.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN customers.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN customers.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.customers.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: dead_letters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dead_letters (
    dead_letter_id text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    hook text,
    action text,
    event_id text COLLATE pg_catalog."C",
    payload bytea NOT NULL,
    context jsonb NOT NULL,
    kafka_topic text,
    kafka_partition integer,
    kafka_offset bigint,
    parked_at timestamp(6) with time zone NOT NULL,
    state text NOT NULL,
    state_at timestamp(6) with time zone NOT NULL
);


--
-- Name: TABLE dead_letters; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.dead_letters IS 'What could not be mirrored as it was, kept raw for a replay.';


--
-- Name: COLUMN dead_letters.dead_letter_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.dead_letter_id IS 'The same for every copy of the same fault.';


--
-- Name: COLUMN dead_letters.stage; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.stage IS 'gateway or worker: who parked it.';


--
-- Name: COLUMN dead_letters.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.reason IS 'Stable short code.';


--
-- Name: COLUMN dead_letters.error; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.error IS 'What is wrong, which field, and the cure.';


--
-- Name: COLUMN dead_letters.hook; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.hook IS 'Hook that it came in by.';


--
-- Name: COLUMN dead_letters.action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.action IS 'XTND''s Action, where it could be read.';


--
-- Name: COLUMN dead_letters.event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.event_id IS 'The event, where it could be told.';


--
-- Name: COLUMN dead_letters.payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.payload IS 'Raw, exactly as received.';


--
-- Name: COLUMN dead_letters.context; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.context IS 'What a replay needs beside the payload.';


--
-- Name: COLUMN dead_letters.kafka_topic; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.kafka_topic IS 'Where the record stood: topic.';


--
-- Name: COLUMN dead_letters.kafka_partition; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.kafka_partition IS 'Where the record stood: partition.';


--
-- Name: COLUMN dead_letters.kafka_offset; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.kafka_offset IS 'Where the record stood: offset.';


--
-- Name: COLUMN dead_letters.parked_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.parked_at IS 'When it was parked (UTC).';


--
-- Name: COLUMN dead_letters.state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.state IS 'parked, replayed or discarded.';


--
-- Name: COLUMN dead_letters.state_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.state_at IS 'Since when it is in that state (UTC).';


--
-- Name: invoices; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.invoices (
    invoice_number text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp(6) with time zone,
    changed_at timestamp(6) with time zone,
    change_count bigint DEFAULT '0'::bigint NOT NULL,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE invoices; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.invoices IS 'One row per customer invoice.';


--
-- Name: COLUMN invoices.invoice_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.invoice_number IS 'XTND''s invoice number.';


--
-- Name: COLUMN invoices.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.created_at IS 'When it was created.';


--
-- Name: COLUMN invoices.changed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.changed_at IS 'When it last changed.';


--
-- Name: COLUMN invoices.change_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.change_count IS 'How often it changed.';


--
-- Name: COLUMN invoices.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN invoices.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN invoices.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN invoices.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN invoices.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN invoices.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.invoices.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: mirror_columns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.mirror_columns (
    table_name text NOT NULL COLLATE pg_catalog."C",
    column_name text NOT NULL COLLATE pg_catalog."C",
    rule text NOT NULL
);


--
-- Name: TABLE mirror_columns; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.mirror_columns IS 'Which rule filled which column (connector''s own).';


--
-- Name: COLUMN mirror_columns.table_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.mirror_columns.table_name IS 'Table of the mirror.';


--
-- Name: COLUMN mirror_columns.column_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.mirror_columns.column_name IS 'Column; empty for the table itself.';


--
-- Name: COLUMN mirror_columns.rule; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.mirror_columns.rule IS 'The rule that filled it, as written in YAML.';


--
-- Name: notifications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.notifications (
    event_id text NOT NULL COLLATE pg_catalog."C",
    delivery_id text NOT NULL COLLATE pg_catalog."C",
    notification_index integer NOT NULL,
    hook text NOT NULL,
    attempt integer NOT NULL,
    family text NOT NULL,
    action text NOT NULL,
    entity_key text COLLATE pg_catalog."C",
    details jsonb NOT NULL,
    properties jsonb NOT NULL,
    received_at timestamp(6) with time zone NOT NULL,
    occurred_at timestamp(6) with time zone NOT NULL,
    kafka_topic text NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    mirrored_at timestamp(6) with time zone NOT NULL
);


--
-- Name: TABLE notifications; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.notifications IS 'The ledger: every event once, as received.';


--
-- Name: COLUMN notifications.event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.event_id IS '<delivery Id>:<index in Notifications>';


--
-- Name: COLUMN notifications.delivery_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.delivery_id IS 'XTND''s Id of the delivery, the same on every attempt.';


--
-- Name: COLUMN notifications.notification_index; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.notification_index IS 'Place in the delivery''s Notifications, from 0.';


--
-- Name: COLUMN notifications.hook; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.hook IS 'Hook that it came in by.';


--
-- Name: COLUMN notifications.attempt; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.attempt IS 'Which of XTND''s attempts is kept here, from 1.';


--
-- Name: COLUMN notifications.family; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.family IS 'Family of the action; unrouted when no family claims it.';


--
-- Name: COLUMN notifications.action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.action IS 'XTND''s Action.';


--
-- Name: COLUMN notifications.entity_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.entity_key IS 'What the event speaks of; null for unrouted.';


--
-- Name: COLUMN notifications.details; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.details IS 'The notification''s Details as received.';


--
-- Name: COLUMN notifications.properties; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.properties IS 'The delivery''s Properties as received.';


--
-- Name: COLUMN notifications.received_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.received_at IS 'When the gateway had read the whole body (UTC).';


--
-- Name: COLUMN notifications.occurred_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.occurred_at IS 'Best estimate of when it happened in XTND (UTC).';


--
-- Name: COLUMN notifications.kafka_topic; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.kafka_topic IS 'Where the record stands on Kafka: topic.';


--
-- Name: COLUMN notifications.kafka_partition; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.kafka_partition IS 'Where the record stands on Kafka: partition.';


--
-- Name: COLUMN notifications.kafka_offset; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.kafka_offset IS 'Where the record stands on Kafka: offset.';


--
-- Name: COLUMN notifications.mirrored_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.notifications.mirrored_at IS 'When it was committed here (UTC).';


--
-- Name: mirror_status; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.mirror_status AS
 WITH families(family, topic) AS (
         SELECT 'orders'::text AS "?column?",
            'xtnd.orders'::text AS "?column?"
        UNION ALL
         SELECT 'purchases'::text,
            'xtnd.purchases'::text
        UNION ALL
         SELECT 'balances'::text,
            'xtnd.balances'::text
        UNION ALL
         SELECT 'products'::text,
            'xtnd.products'::text
        UNION ALL
         SELECT 'customers'::text,
            'xtnd.customers'::text
        UNION ALL
         SELECT 'offers'::text,
            'xtnd.offers'::text
        UNION ALL
         SELECT 'invoices'::text,
            'xtnd.invoices'::text
        UNION ALL
         SELECT 'unrouted'::text,
            'xtnd.unrouted'::text
        ), actions(action, family) AS (
         SELECT 'OrderCreated'::text AS "?column?",
            'orders'::text AS "?column?"
        UNION ALL
         SELECT 'OrderReserved'::text,
            'orders'::text
        UNION ALL
         SELECT 'PickingStarted'::text,
            'orders'::text
        UNION ALL
         SELECT 'OrderPicked'::text,
            'orders'::text
        UNION ALL
         SELECT 'OrderDeliveryDataChanged'::text,
            'orders'::text
        UNION ALL
         SELECT 'OrderCancelled'::text,
            'orders'::text
        UNION ALL
         SELECT 'PurchaseCreated'::text,
            'purchases'::text
        UNION ALL
         SELECT 'PurchasePartiallyDelivered'::text,
            'purchases'::text
        UNION ALL
         SELECT 'PurchaseDelivered'::text,
            'purchases'::text
        UNION ALL
         SELECT 'PurchaseCancelled'::text,
            'purchases'::text
        UNION ALL
         SELECT 'BalanceChanged'::text,
            'balances'::text
        UNION ALL
         SELECT 'AvailableBalanceChanged'::text,
            'balances'::text
        UNION ALL
         SELECT 'ProductCreated'::text,
            'products'::text
        UNION ALL
         SELECT 'ProductChanged'::text,
            'products'::text
        UNION ALL
         SELECT 'PriceListWebHook'::text,
            'products'::text
        UNION ALL
         SELECT 'CustomerCreated'::text,
            'customers'::text
        UNION ALL
         SELECT 'CustomerChanged'::text,
            'customers'::text
        UNION ALL
         SELECT 'OfferCreated'::text,
            'offers'::text
        UNION ALL
         SELECT 'OfferChanged'::text,
            'offers'::text
        UNION ALL
         SELECT 'CustomerInvoiceCreated'::text,
            'invoices'::text
        UNION ALL
         SELECT 'CustomerInvoiceChanged'::text,
            'invoices'::text
        ), seen AS (
         SELECT notifications.family,
            count(*) AS events,
            min(notifications.received_at) AS first_received_at,
            max(notifications.received_at) AS last_received_at,
            max(notifications.mirrored_at) AS last_mirrored_at
           FROM public.notifications
          GROUP BY notifications.family
        ), parked AS (
         SELECT COALESCE(actions.family, families.family, '(unknown)'::text) AS family,
            count(*) AS dead_letters
           FROM ((public.dead_letters
             LEFT JOIN actions ON ((actions.action = dead_letters.action)))
             LEFT JOIN families ON ((families.topic = dead_letters.kafka_topic)))
          WHERE (dead_letters.state = 'parked'::text)
          GROUP BY COALESCE(actions.family, families.family, '(unknown)'::text)
        ), lost AS (
         SELECT consumer_offsets.topic,
            (COALESCE(sum(consumer_offsets.records_lost), (0)::numeric))::bigint AS records_lost
           FROM public.consumer_offsets
          GROUP BY consumer_offsets.topic
        )
 SELECT families.family,
    COALESCE(seen.events, (0)::bigint) AS events,
    seen.first_received_at,
    seen.last_received_at,
    seen.last_mirrored_at,
    COALESCE(parked.dead_letters, (0)::bigint) AS parked_dead_letters,
    COALESCE(lost.records_lost, (0)::bigint) AS records_lost
   FROM (((families
     LEFT JOIN seen ON ((seen.family = families.family)))
     LEFT JOIN parked ON ((parked.family = families.family)))
     LEFT JOIN lost ON ((lost.topic = families.topic)))
UNION ALL
 SELECT parked.family,
    0 AS events,
    NULL::timestamp with time zone AS first_received_at,
    NULL::timestamp with time zone AS last_received_at,
    NULL::timestamp with time zone AS last_mirrored_at,
    parked.dead_letters AS parked_dead_letters,
    0 AS records_lost
   FROM parked
  WHERE (parked.family = '(unknown)'::text);


--
-- Name: VIEW mirror_status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.mirror_status IS 'How fresh the mirror is, per family; records_lost must be 0.';


--
-- Name: offers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.offers (
    offer_number text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp(6) with time zone,
    changed_at timestamp(6) with time zone,
    change_count bigint DEFAULT '0'::bigint NOT NULL,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE offers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.offers IS 'One row per offer.';


--
-- Name: COLUMN offers.offer_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.offer_number IS 'XTND''s offer number.';


--
-- Name: COLUMN offers.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.created_at IS 'When it was created.';


--
-- Name: COLUMN offers.changed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.changed_at IS 'When it last changed.';


--
-- Name: COLUMN offers.change_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.change_count IS 'How often it changed.';


--
-- Name: COLUMN offers.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN offers.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN offers.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN offers.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN offers.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN offers.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.offers.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: order_picking_rows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.order_picking_rows (
    order_number text NOT NULL COLLATE pg_catalog."C",
    "position" text NOT NULL COLLATE pg_catalog."C",
    sub_position text NOT NULL COLLATE pg_catalog."C",
    product_number text,
    quantity numeric,
    warehouse text,
    picking_started_at timestamp(6) with time zone,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C",
    product_number__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    quantity__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    warehouse__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE order_picking_rows; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.order_picking_rows IS 'One row per order row whose picking was started.';


--
-- Name: COLUMN order_picking_rows.order_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.order_number IS 'XTND''s order number.';


--
-- Name: COLUMN order_picking_rows."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows."position" IS 'Position of the row in the order.';


--
-- Name: COLUMN order_picking_rows.sub_position; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.sub_position IS 'Position below the position.';


--
-- Name: COLUMN order_picking_rows.product_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.product_number IS 'Product to be picked.';


--
-- Name: COLUMN order_picking_rows.quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.quantity IS 'How many units.';


--
-- Name: COLUMN order_picking_rows.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.warehouse IS 'Warehouse that picks.';


--
-- Name: COLUMN order_picking_rows.picking_started_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.picking_started_at IS 'When picking of the row started.';


--
-- Name: COLUMN order_picking_rows.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN order_picking_rows.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN order_picking_rows.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN order_picking_rows.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN order_picking_rows.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN order_picking_rows.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: COLUMN order_picking_rows.product_number__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.product_number__version IS 'Place in time of the event that gave product_number (connector''s own).';


--
-- Name: COLUMN order_picking_rows.quantity__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.quantity__version IS 'Place in time of the event that gave quantity (connector''s own).';


--
-- Name: COLUMN order_picking_rows.warehouse__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.order_picking_rows.warehouse__version IS 'Place in time of the event that gave warehouse (connector''s own).';


--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    order_number text NOT NULL COLLATE pg_catalog."C",
    order_type text,
    status text,
    warehouse text,
    created_at timestamp(6) with time zone,
    reserved_at timestamp(6) with time zone,
    last_reserved_at timestamp(6) with time zone,
    reserved_count bigint DEFAULT '0'::bigint NOT NULL,
    picking_started_at timestamp(6) with time zone,
    picked_at timestamp(6) with time zone,
    last_picked_at timestamp(6) with time zone,
    picked_count bigint DEFAULT '0'::bigint NOT NULL,
    delivery_data_changed_at timestamp(6) with time zone,
    delivery_data_change_count bigint DEFAULT '0'::bigint NOT NULL,
    cancelled_at timestamp(6) with time zone,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C",
    order_type__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    status__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    warehouse__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE orders; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.orders IS 'One row per customer order, as XTND last told it.';


--
-- Name: COLUMN orders.order_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.order_number IS 'XTND''s order number.';


--
-- Name: COLUMN orders.order_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.order_type IS 'Kind of order, such as NormalOrder.';


--
-- Name: COLUMN orders.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.status IS 'created, reserved, picking, picked or cancelled: what the newest event says.';


--
-- Name: COLUMN orders.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.warehouse IS 'Warehouse that picks.';


--
-- Name: COLUMN orders.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.created_at IS 'When the order was created.';


--
-- Name: COLUMN orders.reserved_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.reserved_at IS 'When rows first went to a warehouse.';


--
-- Name: COLUMN orders.last_reserved_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.last_reserved_at IS 'When rows last went to a warehouse.';


--
-- Name: COLUMN orders.reserved_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.reserved_count IS 'How often rows went to a warehouse.';


--
-- Name: COLUMN orders.picking_started_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.picking_started_at IS 'When picking of the first row started.';


--
-- Name: COLUMN orders.picked_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.picked_at IS 'When a row was first picked.';


--
-- Name: COLUMN orders.last_picked_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.last_picked_at IS 'When a row was last picked.';


--
-- Name: COLUMN orders.picked_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.picked_count IS 'How often rows were picked.';


--
-- Name: COLUMN orders.delivery_data_changed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.delivery_data_changed_at IS 'When delivery data last changed.';


--
-- Name: COLUMN orders.delivery_data_change_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.delivery_data_change_count IS 'How often delivery data changed.';


--
-- Name: COLUMN orders.cancelled_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.cancelled_at IS 'When it was cancelled.';


--
-- Name: COLUMN orders.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN orders.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN orders.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN orders.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN orders.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN orders.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: COLUMN orders.order_type__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.order_type__version IS 'Place in time of the event that gave order_type (connector''s own).';


--
-- Name: COLUMN orders.status__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.status__version IS 'Place in time of the event that gave status (connector''s own).';


--
-- Name: COLUMN orders.warehouse__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.orders.warehouse__version IS 'Place in time of the event that gave warehouse (connector''s own).';


--
-- Name: price_lists; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.price_lists (
    price_list_name text NOT NULL COLLATE pg_catalog."C",
    updated_at timestamp(6) with time zone,
    update_count bigint DEFAULT '0'::bigint NOT NULL,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE price_lists; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.price_lists IS 'One row per price list.';


--
-- Name: COLUMN price_lists.price_list_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.price_list_name IS 'Name of the price list.';


--
-- Name: COLUMN price_lists.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.updated_at IS 'When it was last updated.';


--
-- Name: COLUMN price_lists.update_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.update_count IS 'How often it was updated.';


--
-- Name: COLUMN price_lists.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN price_lists.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN price_lists.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN price_lists.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN price_lists.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN price_lists.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.price_lists.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: products; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.products (
    product_number text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp(6) with time zone,
    changed_at timestamp(6) with time zone,
    change_count bigint DEFAULT '0'::bigint NOT NULL,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE products; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.products IS 'One row per product that XTND spoke of.';


--
-- Name: COLUMN products.product_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.product_number IS 'XTND''s product number.';


--
-- Name: COLUMN products.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.created_at IS 'When it was created.';


--
-- Name: COLUMN products.changed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.changed_at IS 'When it last changed.';


--
-- Name: COLUMN products.change_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.change_count IS 'How often it changed.';


--
-- Name: COLUMN products.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN products.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN products.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN products.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN products.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN products.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.products.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: purchase_delivery_rows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.purchase_delivery_rows (
    event_id text NOT NULL COLLATE pg_catalog."C",
    row_index bigint NOT NULL,
    order_number text,
    warehouse text,
    "position" text,
    product_number text,
    quantity numeric,
    unit text,
    occurred_at timestamp(6) with time zone
);


--
-- Name: TABLE purchase_delivery_rows; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.purchase_delivery_rows IS 'What came in with the deliveries of purchase orders, one row per row object that names a product.';


--
-- Name: COLUMN purchase_delivery_rows.order_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.order_number IS 'Number of the purchase order.';


--
-- Name: COLUMN purchase_delivery_rows.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.warehouse IS 'Warehouse that received.';


--
-- Name: COLUMN purchase_delivery_rows."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows."position" IS 'Position in the purchase order.';


--
-- Name: COLUMN purchase_delivery_rows.product_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.product_number IS 'Product that came in.';


--
-- Name: COLUMN purchase_delivery_rows.quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.quantity IS 'How much came in.';


--
-- Name: COLUMN purchase_delivery_rows.unit; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.unit IS 'Unit of the quantity.';


--
-- Name: COLUMN purchase_delivery_rows.occurred_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchase_delivery_rows.occurred_at IS 'Best estimate of when it happened.';


--
-- Name: purchases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.purchases (
    order_number text NOT NULL COLLATE pg_catalog."C",
    warehouse text NOT NULL COLLATE pg_catalog."C",
    status text,
    created_at timestamp(6) with time zone,
    first_delivered_at timestamp(6) with time zone,
    last_delivered_at timestamp(6) with time zone,
    delivery_count bigint DEFAULT '0'::bigint NOT NULL,
    delivered_at timestamp(6) with time zone,
    cancelled_at timestamp(6) with time zone,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C",
    status__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE purchases; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.purchases IS 'One row per purchase order and warehouse.';


--
-- Name: COLUMN purchases.order_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.order_number IS 'Number of the purchase order.';


--
-- Name: COLUMN purchases.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.warehouse IS 'Warehouse that receives.';


--
-- Name: COLUMN purchases.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.status IS 'created, partially_delivered, delivered or cancelled: what the newest event says.';


--
-- Name: COLUMN purchases.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.created_at IS 'When it was created.';


--
-- Name: COLUMN purchases.first_delivered_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.first_delivered_at IS 'When goods first came in.';


--
-- Name: COLUMN purchases.last_delivered_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.last_delivered_at IS 'When goods last came in.';


--
-- Name: COLUMN purchases.delivery_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.delivery_count IS 'How often goods came in.';


--
-- Name: COLUMN purchases.delivered_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.delivered_at IS 'When it was received in full.';


--
-- Name: COLUMN purchases.cancelled_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.cancelled_at IS 'When it was cancelled.';


--
-- Name: COLUMN purchases.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN purchases.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN purchases.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN purchases.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN purchases.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN purchases.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: COLUMN purchases.status__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.purchases.status__version IS 'Place in time of the event that gave status (connector''s own).';


--
-- Name: stock_balance_history; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stock_balance_history (
    event_id text NOT NULL COLLATE pg_catalog."C",
    row_index bigint NOT NULL,
    product_number text,
    warehouse text,
    measure text,
    quantity numeric,
    event_name text,
    event_type text,
    occurred_at timestamp(6) with time zone
);


--
-- Name: TABLE stock_balance_history; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.stock_balance_history IS 'Every balance that XTND told, one row per event.';


--
-- Name: COLUMN stock_balance_history.product_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.product_number IS 'XTND''s product number.';


--
-- Name: COLUMN stock_balance_history.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.warehouse IS 'Warehouse that holds the stock.';


--
-- Name: COLUMN stock_balance_history.measure; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.measure IS 'Which of the two balances.';


--
-- Name: COLUMN stock_balance_history.quantity; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.quantity IS 'The balance after the event, an absolute value.';


--
-- Name: COLUMN stock_balance_history.event_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.event_name IS 'What changed the balance.';


--
-- Name: COLUMN stock_balance_history.event_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.event_type IS 'Kind of that change.';


--
-- Name: COLUMN stock_balance_history.occurred_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balance_history.occurred_at IS 'Best estimate of when it happened.';


--
-- Name: stock_balances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stock_balances (
    product_number text NOT NULL COLLATE pg_catalog."C",
    warehouse text NOT NULL COLLATE pg_catalog."C",
    balance numeric,
    balance_event_name text,
    balance_event_type text,
    balance_as_of timestamp(6) with time zone,
    available_balance numeric,
    available_balance_as_of timestamp(6) with time zone,
    first_seen_at timestamp(6) with time zone NOT NULL,
    as_of timestamp(6) with time zone NOT NULL,
    last_action text NOT NULL,
    last_event_id text NOT NULL COLLATE pg_catalog."C",
    event_count bigint NOT NULL,
    last_version text NOT NULL COLLATE pg_catalog."C",
    balance__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    balance_event_name__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    balance_event_type__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    available_balance__version text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: TABLE stock_balances; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.stock_balances IS 'Stock per product and warehouse, as XTND last told it.';


--
-- Name: COLUMN stock_balances.product_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.product_number IS 'XTND''s product number.';


--
-- Name: COLUMN stock_balances.warehouse; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.warehouse IS 'Warehouse that holds the stock.';


--
-- Name: COLUMN stock_balances.balance; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance IS 'Physical balance.';


--
-- Name: COLUMN stock_balances.balance_event_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance_event_name IS 'What changed the balance.';


--
-- Name: COLUMN stock_balances.balance_event_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance_event_type IS 'Kind of that change.';


--
-- Name: COLUMN stock_balances.balance_as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance_as_of IS 'When the balance was last told.';


--
-- Name: COLUMN stock_balances.available_balance; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.available_balance IS 'Balance that can still be sold.';


--
-- Name: COLUMN stock_balances.available_balance_as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.available_balance_as_of IS 'When the available balance was last told.';


--
-- Name: COLUMN stock_balances.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.first_seen_at IS 'When the oldest event of this row occurred (UTC).';


--
-- Name: COLUMN stock_balances.as_of; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.as_of IS 'When the newest event of this row occurred (UTC).';


--
-- Name: COLUMN stock_balances.last_action; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.last_action IS 'Action of the newest event.';


--
-- Name: COLUMN stock_balances.last_event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.last_event_id IS 'The newest event, as in notifications.';


--
-- Name: COLUMN stock_balances.event_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.event_count IS 'How many distinct events this row was folded from.';


--
-- Name: COLUMN stock_balances.last_version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.last_version IS 'Place in time of the newest event (connector''s own).';


--
-- Name: COLUMN stock_balances.balance__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance__version IS 'Place in time of the event that gave balance (connector''s own).';


--
-- Name: COLUMN stock_balances.balance_event_name__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance_event_name__version IS 'Place in time of the event that gave balance_event_name (connector''s own).';


--
-- Name: COLUMN stock_balances.balance_event_type__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.balance_event_type__version IS 'Place in time of the event that gave balance_event_type (connector''s own).';


--
-- Name: COLUMN stock_balances.available_balance__version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.stock_balances.available_balance__version IS 'Place in time of the event that gave available_balance (connector''s own).';


--
-- Name: stock_movements; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.stock_movements AS
 SELECT event_id,
    row_index,
    product_number,
    warehouse,
    measure,
    quantity,
    event_name,
    event_type,
    occurred_at,
    previous_quantity,
    (quantity - previous_quantity) AS delta
   FROM ( SELECT stock_balance_history.event_id,
            stock_balance_history.row_index,
            stock_balance_history.product_number,
            stock_balance_history.warehouse,
            stock_balance_history.measure,
            stock_balance_history.quantity,
            stock_balance_history.event_name,
            stock_balance_history.event_type,
            stock_balance_history.occurred_at,
            lag(stock_balance_history.quantity) OVER (PARTITION BY stock_balance_history.product_number, stock_balance_history.warehouse, stock_balance_history.measure ORDER BY stock_balance_history.occurred_at, (split_part(stock_balance_history.event_id, ':'::text, 1) COLLATE "C"), (split_part(stock_balance_history.event_id, ':'::text, 2))::bigint, stock_balance_history.row_index) AS previous_quantity
           FROM public.stock_balance_history) history;


--
-- Name: VIEW stock_movements; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.stock_movements IS 'Each balance that XTND told, with the one before and the change.';


--
-- Data for Name: consumer_offsets; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.consumer_offsets VALUES
	('xtnd.unrouted', 0, 17, 0, '2025-06-27 05:53:20.123472+00'),
	('xtnd.customers', 0, 36, 0, '2025-06-27 05:53:20.123491+00'),
	('xtnd.products', 1, 26, 0, '2025-06-27 05:53:20.123481+00'),
	('xtnd.purchases', 0, 76, 0, '2025-06-27 05:53:20.123531+00'),
	('xtnd.orders', 0, 88, 0, '2025-06-27 05:53:20.123543+00'),
	('xtnd.invoices', 0, 31, 0, '2025-06-27 05:53:20.123486+00'),
	('xtnd.products', 0, 19, 0, '2025-06-27 05:53:20.123474+00'),
	('xtnd.dead-letters', 0, 9, 0, '2025-06-27 05:53:20.123474+00'),
	('xtnd.offers', 0, 41, 1, '2025-06-27 05:53:20.123474+00'),
	('xtnd.customers', 1, 11, 0, '2025-06-27 05:53:20.123466+00'),
	('xtnd.balances', 1, 20, 0, '2025-06-27 05:53:20.123475+00'),
	('xtnd.balances', 0, 16, 0, '2025-06-27 05:53:20.123471+00'),
	('xtnd.unrouted', 1, 3, 0, '2025-06-27 05:53:20.123458+00');


--
-- Data for Name: customers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.customers VALUES
	('C1', '2025-06-27 04:53:18.123456+00', '2025-06-27 05:06:11.123456+00', 6, '2025-06-27 04:53:18.123456+00', '2025-06-27 05:11:35.123456+00', 'CustomerCreated', 'a8f15eda80c50adb0e71943adc8015cf:1', 28, '1751001095123456 a8f15eda80c50adb0e71943adc8015cf 000001'),
	('2', NULL, '2025-06-27 05:09:54.123456+00', 10, '2025-06-27 04:55:01.123456+00', '2025-06-27 05:09:54.123456+00', 'CustomerChanged', 'Own_270-x:0', 10, '1751000994123456 Own_270-x 000000');


--
-- Data for Name: dead_letters; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.dead_letters VALUES
	('20105dd4f212d840817ead87fe2f5fb5', 'worker', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', 'e4da3b7fbbce2345d7772b0674a318d5:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0005', '{"key": "k"}', 'xtnd.orders', 0, 5, '2025-06-27 05:05:00+00', 'parked', '2025-06-27 05:05:00+00'),
	('dd91b0e28d259ab87039e42fd8321278', 'gateway', 'not-json', 'OrderNumber has no value; it is the key.', 'xtnd', NULL, NULL, '\x7b22416374696f6e223a224f7264657243726561746564227dff0006', '{"index": 0, "attempt": 1, "properties": "{}", "delivery_id": "1679091c5a880faf6fb5e6087eb1b2dc", "received_at": "2025-06-27T05:06:00.000000Z"}', 'xtnd.dead-letters', 0, 6, '2025-06-27 05:06:00+00', 'parked', '2025-06-27 05:06:00+00'),
	('49866937ab42143efc11b2e33a656c3e', 'worker', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', '8f14e45fceea167a5a36dedd4bea2543:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0007', '{"key": "k"}', 'xtnd.orders', 0, 7, '2025-06-27 05:07:00+00', 'parked', '2025-06-27 05:07:00+00'),
	('0fd0f45cd5a92cea10d3b434ea10eec4', 'gateway', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', 'c9f0f895fb98ab9159f51fd0297e236d:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0008', '{"index": 0, "attempt": 1, "properties": "{}", "delivery_id": "c9f0f895fb98ab9159f51fd0297e236d", "received_at": "2025-06-27T05:08:00.000000Z"}', 'xtnd.dead-letters', 0, 8, '2025-06-27 05:08:00+00', 'parked', '2025-06-27 05:08:00+00'),
	('7054475c140408d4d526c5f97c3d49a1', 'gateway', 'not-json', 'OrderNumber has no value; it is the key.', 'xtnd', NULL, NULL, '\x7b22416374696f6e223a224f7264657243726561746564227dff0000', '{"index": 0, "attempt": 1, "properties": "{}", "delivery_id": "cfcd208495d565ef66e7dff9f98764da", "received_at": "2025-06-27T05:00:00.000000Z"}', 'xtnd.dead-letters', 0, 0, '2025-06-27 05:00:00+00', 'replayed', '2025-06-27 06:53:20.123456+00'),
	('eb286ccff04080ca65d8a1d8f943fe11', 'worker', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', 'c4ca4238a0b923820dcc509a6f75849b:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0001', '{"key": "k"}', 'xtnd.orders', 0, 1, '2025-06-27 05:01:00+00', 'replayed', '2025-06-27 06:53:20.123456+00'),
	('13a12e18063fb9e71e9bf7cda447f565', 'gateway', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', 'c81e728d9d4c2f636f067f89cc14862c:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0002', '{"index": 0, "attempt": 1, "properties": "{}", "delivery_id": "c81e728d9d4c2f636f067f89cc14862c", "received_at": "2025-06-27T05:02:00.000000Z"}', 'xtnd.dead-letters', 0, 2, '2025-06-27 05:02:00+00', 'replayed', '2025-06-27 06:53:20.123456+00'),
	('d98ef9f338935dc996088329b1d16abc', 'worker', 'not-json', 'OrderNumber has no value; it is the key.', 'xtnd', NULL, NULL, '\x7b22416374696f6e223a224f7264657243726561746564227dff0003', '{"key": "k"}', 'xtnd.orders', 0, 3, '2025-06-27 05:03:00+00', 'discarded', '2025-06-27 06:53:20.123456+00'),
	('2ab7ba3aab3c0062010e26612f3b3a59', 'gateway', 'key-missing', 'OrderNumber has no value; it is the key.', 'xtnd', 'OrderCreated', 'a87ff679a2f3e71d9181a67b7542122c:0', '\x7b22416374696f6e223a224f7264657243726561746564227dff0004', '{"index": 0, "attempt": 1, "properties": "{}", "delivery_id": "a87ff679a2f3e71d9181a67b7542122c", "received_at": "2025-06-27T05:04:00.000000Z"}', 'xtnd.dead-letters', 0, 4, '2025-06-27 05:04:00+00', 'discarded', '2025-06-27 06:53:20.123456+00');


--
-- Data for Name: invoices; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.invoices VALUES
	('99', '2025-06-27 04:54:09.123456+00', '2025-06-27 05:12:01.123456+00', 13, '2025-06-27 04:53:42.123456+00', '2025-06-27 05:12:11.123456+00', 'CustomerInvoiceCreated', 'fa7cdfad1a5aaf8370ebeda47a1ff1c3:0', 28, '1751001131123456 fa7cdfad1a5aaf8370ebeda47a1ff1c3 000000');


--
-- Data for Name: mirror_columns; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.mirror_columns VALUES
	('orders', '', 'state [''OrderCancelled'', ''OrderCreated'', ''OrderDeliveryDataChanged'', ''OrderPicked'', ''OrderReserved'', ''PickingStarted''] None () order_number={"path":{"OrderCreated":"OrderNumber","OrderReserved":"OrderNumber","PickingStarted":"Order.OrderNumber","OrderPicked":"OrderNumber","OrderDeliveryDataChanged":"OrderNumber","OrderCancelled":"OrderNumber"},"constant":null,"by_action":null,"event":null}'),
	('orders', 'order_type', 'text {"path":["OrderType","Order.OrderType"],"rule":"latest","type":"text"}'),
	('orders', 'status', 'text {"by_action":{"OrderCreated":"created","OrderReserved":"reserved","PickingStarted":"picking","OrderPicked":"picked","OrderCancelled":"cancelled"},"rule":"latest"}'),
	('orders', 'warehouse', 'text {"path":"Order.Warehouse","rule":"latest","type":"text","on":["PickingStarted"]}'),
	('orders', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["OrderCreated"]}'),
	('orders', 'reserved_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["OrderReserved"]}'),
	('orders', 'last_reserved_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["OrderReserved"]}'),
	('orders', 'reserved_count', 'integer {"rule":"count","on":["OrderReserved"]}'),
	('orders', 'picking_started_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["PickingStarted"]}'),
	('orders', 'picked_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["OrderPicked"]}'),
	('orders', 'last_picked_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["OrderPicked"]}'),
	('orders', 'picked_count', 'integer {"rule":"count","on":["OrderPicked"]}'),
	('orders', 'delivery_data_changed_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["OrderDeliveryDataChanged"]}'),
	('orders', 'delivery_data_change_count', 'integer {"rule":"count","on":["OrderDeliveryDataChanged"]}'),
	('orders', 'cancelled_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["OrderCancelled"]}'),
	('order_picking_rows', '', 'state [''PickingStarted''] Order.Row () order_number={"path":"Order.OrderNumber","constant":null,"by_action":null,"event":null} position={"path":"Order.Row.Position","constant":null,"by_action":null,"event":null} sub_position={"path":"Order.Row.SubPosition","constant":null,"by_action":null,"event":null}'),
	('order_picking_rows', 'product_number', 'text {"path":"Order.Row.ProductNumber","rule":"latest","type":"text"}'),
	('order_picking_rows', 'quantity', 'numeric {"path":"Order.Row.Unit.Quantity","rule":"latest","type":"numeric"}'),
	('order_picking_rows', 'warehouse', 'text {"path":"Order.Warehouse","rule":"latest","type":"text"}'),
	('order_picking_rows', 'picking_started_at', 'timestamp {"event":"occurred_at","rule":"earliest"}'),
	('purchases', '', 'state [''PurchaseCancelled'', ''PurchaseCreated'', ''PurchaseDelivered'', ''PurchasePartiallyDelivered''] None () order_number={"path":"OrderNumber","constant":null,"by_action":null,"event":null} warehouse={"path":"Warehouse","constant":null,"by_action":null,"event":null}'),
	('purchases', 'status', 'text {"by_action":{"PurchaseCreated":"created","PurchasePartiallyDelivered":"partially_delivered","PurchaseDelivered":"delivered","PurchaseCancelled":"cancelled"},"rule":"latest"}'),
	('purchases', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["PurchaseCreated"]}'),
	('purchases', 'first_delivered_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["PurchasePartiallyDelivered","PurchaseDelivered"]}'),
	('purchases', 'last_delivered_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["PurchasePartiallyDelivered","PurchaseDelivered"]}'),
	('purchases', 'delivery_count', 'integer {"rule":"count","on":["PurchasePartiallyDelivered","PurchaseDelivered"]}'),
	('purchases', 'delivered_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["PurchaseDelivered"]}'),
	('purchases', 'cancelled_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["PurchaseCancelled"]}'),
	('stock_balances', '', 'state [''AvailableBalanceChanged'', ''BalanceChanged''] None () product_number={"path":"ProductNumber","constant":null,"by_action":null,"event":null} warehouse={"path":"Warehouse","constant":null,"by_action":null,"event":null}'),
	('stock_balances', 'balance', 'numeric {"path":"Balance","rule":"latest","type":"numeric","on":["BalanceChanged"]}'),
	('stock_balances', 'balance_event_name', 'text {"path":"EventName","rule":"latest","type":"text","on":["BalanceChanged"]}'),
	('stock_balances', 'balance_event_type', 'text {"path":"EventType","rule":"latest","type":"text","on":["BalanceChanged"]}'),
	('stock_balances', 'balance_as_of', 'timestamp {"event":"occurred_at","rule":"latest","on":["BalanceChanged"]}'),
	('stock_balances', 'available_balance', 'numeric {"path":"AvailableBalance","rule":"latest","type":"numeric","on":["AvailableBalanceChanged"]}'),
	('stock_balances', 'available_balance_as_of', 'timestamp {"event":"occurred_at","rule":"latest","on":["AvailableBalanceChanged"]}'),
	('products', '', 'state [''ProductChanged'', ''ProductCreated''] None () product_number={"path":"ProductNumber","constant":null,"by_action":null,"event":null}'),
	('products', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["ProductCreated"]}'),
	('products', 'changed_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["ProductChanged"]}'),
	('products', 'change_count', 'integer {"rule":"count","on":["ProductChanged"]}'),
	('price_lists', '', 'state [''PriceListWebHook''] None () price_list_name={"path":"PriceListName","constant":null,"by_action":null,"event":null}'),
	('price_lists', 'updated_at', 'timestamp {"event":"occurred_at","rule":"latest"}'),
	('price_lists', 'update_count', 'integer {"rule":"count"}'),
	('customers', '', 'state [''CustomerChanged'', ''CustomerCreated''] None () customer_number={"path":"CustomerNumber","constant":null,"by_action":null,"event":null}'),
	('customers', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["CustomerCreated"]}'),
	('customers', 'changed_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["CustomerChanged"]}'),
	('customers', 'change_count', 'integer {"rule":"count","on":["CustomerChanged"]}'),
	('offers', '', 'state [''OfferChanged'', ''OfferCreated''] None () offer_number={"path":"OfferNumber","constant":null,"by_action":null,"event":null}'),
	('offers', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["OfferCreated"]}'),
	('offers', 'changed_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["OfferChanged"]}'),
	('offers', 'change_count', 'integer {"rule":"count","on":["OfferChanged"]}'),
	('invoices', '', 'state [''CustomerInvoiceChanged'', ''CustomerInvoiceCreated''] None () invoice_number={"path":"InvoiceNumber","constant":null,"by_action":null,"event":null}'),
	('invoices', 'created_at', 'timestamp {"event":"occurred_at","rule":"earliest","on":["CustomerInvoiceCreated"]}'),
	('invoices', 'changed_at', 'timestamp {"event":"occurred_at","rule":"latest","on":["CustomerInvoiceChanged"]}'),
	('invoices', 'change_count', 'integer {"rule":"count","on":["CustomerInvoiceChanged"]}'),
	('stock_balance_history', '', 'history [''AvailableBalanceChanged'', ''BalanceChanged''] None (''quantity'',) '),
	('stock_balance_history', 'product_number', 'text {"path":"ProductNumber","type":"text"}'),
	('stock_balance_history', 'warehouse', 'text {"path":"Warehouse","type":"text"}'),
	('stock_balance_history', 'measure', 'text {"by_action":{"BalanceChanged":"balance","AvailableBalanceChanged":"available_balance"}}'),
	('stock_balance_history', 'quantity', 'numeric {"path":{"BalanceChanged":"Balance","AvailableBalanceChanged":"AvailableBalance"},"type":"numeric"}'),
	('stock_balance_history', 'event_name', 'text {"path":"EventName","type":"text"}'),
	('stock_balance_history', 'event_type', 'text {"path":"EventType","type":"text"}'),
	('stock_balance_history', 'occurred_at', 'timestamp {"event":"occurred_at"}'),
	('purchase_delivery_rows', '', 'history [''PurchaseDelivered'', ''PurchasePartiallyDelivered''] None (''product_number'',) '),
	('purchase_delivery_rows', 'order_number', 'text {"path":"OrderNumber","type":"text"}'),
	('purchase_delivery_rows', 'warehouse', 'text {"path":"Warehouse","type":"text"}'),
	('purchase_delivery_rows', 'position', 'text {"path":"Position","type":"text"}'),
	('purchase_delivery_rows', 'product_number', 'text {"path":"ProductNumber","type":"text"}'),
	('purchase_delivery_rows', 'quantity', 'numeric {"path":"Quantity","type":"numeric"}'),
	('purchase_delivery_rows', 'unit', 'text {"path":"Unit","type":"text"}'),
	('purchase_delivery_rows', 'occurred_at', 'timestamp {"event":"occurred_at"}'),
	('', '', '9bc77797d02d1e9ce7714a9d6ffe4645'),
	('', 'stock_movements', '5ffe4c01fbbeb017660bb56ac7d84466'),
	('', 'mirror_status', '39a14c294f26a1db4e37c437038b8bbb');


--
-- Data for Name: notifications; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.notifications VALUES
	('Own_0-x:0', 'Own_0-x', 0, 'second', 3, 'orders', 'OrderCreated', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:57.123456+00', '2025-06-27 04:48:57.123456+00', 'xtnd.orders', 0, 0, '2025-06-27 05:53:20.123456+00'),
	('cfcd208495d565ef66e7dff9f98764da:1', 'cfcd208495d565ef66e7dff9f98764da', 1, 'xtnd', 2, 'orders', 'OrderReserved', '8685', '{"OrderType": null, "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:52:48.123456+00', '2025-06-27 04:51:48.123456+00', 'xtnd.orders', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('c4ca4238a0b923820dcc509a6f75849b:0', 'c4ca4238a0b923820dcc509a6f75849b', 0, 'xtnd', 2, 'orders', 'OrderPicked', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:26.123456+00', '2025-06-27 04:53:26.123456+00', 'xtnd.orders', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('c4ca4238a0b923820dcc509a6f75849b:1', 'c4ca4238a0b923820dcc509a6f75849b', 1, 'xtnd', 1, 'orders', 'OrderDeliveryDataChanged', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:23.123456+00', '2025-06-27 04:53:23.123456+00', 'xtnd.orders', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('c81e728d9d4c2f636f067f89cc14862c:0', 'c81e728d9d4c2f636f067f89cc14862c', 0, 'xtnd', 2, 'orders', 'OrderCancelled', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:03.123456+00', '2025-06-27 04:52:03.123456+00', 'xtnd.orders', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('eccbc87e4b5ce2fe28308fd9f2a7baf3:0', 'eccbc87e4b5ce2fe28308fd9f2a7baf3', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "2", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:02.123456+00', '2025-06-27 04:54:02.123456+00', 'xtnd.purchases', 0, 0, '2025-06-27 05:53:20.123456+00'),
	('a87ff679a2f3e71d9181a67b7542122c:0', 'a87ff679a2f3e71d9181a67b7542122c', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8684', '[{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 1, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": null}, {"Unit": "ST", "Position": 2, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:31.123456+00', '2025-06-27 04:53:31.123456+00', 'xtnd.purchases', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('Own_10-x:0', 'Own_10-x', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|1', '{"Balance": 100000000000000000000, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "1", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:34.123456+00', '2025-06-27 04:53:34.123456+00', 'xtnd.balances', 1, 0, '2025-06-27 05:53:20.123456+00'),
	('1679091c5a880faf6fb5e6087eb1b2dc:1', '1679091c5a880faf6fb5e6087eb1b2dc', 1, 'xtnd', 2, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:04.123456+00', '2025-06-27 04:53:04.123456+00', 'xtnd.products', 1, 0, '2025-06-27 05:53:20.123456+00'),
	('8f14e45fceea167a5a36dedd4bea2543:0', '8f14e45fceea167a5a36dedd4bea2543', 0, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:46.123456+00', '2025-06-27 04:53:46.123456+00', 'xtnd.products', 1, 1, '2025-06-27 05:53:20.123457+00'),
	('c9f0f895fb98ab9159f51fd0297e236d:0', 'c9f0f895fb98ab9159f51fd0297e236d', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:01.123456+00', '2025-06-27 04:55:01.123456+00', 'xtnd.customers', 1, 0, '2025-06-27 05:53:20.123456+00'),
	('c9f0f895fb98ab9159f51fd0297e236d:1', 'c9f0f895fb98ab9159f51fd0297e236d', 1, 'xtnd', 2, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:12.123456+00', '2025-06-27 04:54:12.123456+00', 'xtnd.offers', 0, 0, '2025-06-27 05:53:20.123456+00'),
	('45c48cce2e2d7fbdea1afc51c7c6ad26:0', '45c48cce2e2d7fbdea1afc51c7c6ad26', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:14.123456+00', '2025-06-27 04:54:14.123456+00', 'xtnd.offers', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('45c48cce2e2d7fbdea1afc51c7c6ad26:1', '45c48cce2e2d7fbdea1afc51c7c6ad26', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:09.123456+00', '2025-06-27 04:54:09.123456+00', 'xtnd.invoices', 0, 0, '2025-06-27 05:53:20.123456+00'),
	('Own_20-x:0', 'Own_20-x', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:42.123456+00', '2025-06-27 04:53:42.123456+00', 'xtnd.invoices', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('d3d9446802a44259755d38e6d163e820:1', 'd3d9446802a44259755d38e6d163e820', 1, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:06.123456+00', '2025-06-27 04:55:06.123456+00', 'xtnd.unrouted', 0, 0, '2025-06-27 05:53:20.123456+00'),
	('6512bd43d9caa6e02c990b0a82652dca:0', '6512bd43d9caa6e02c990b0a82652dca', 0, 'second', 1, 'orders', 'OrderCreated', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:55.123456+00', '2025-06-27 04:53:55.123456+00', 'xtnd.orders', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('6512bd43d9caa6e02c990b0a82652dca:1', '6512bd43d9caa6e02c990b0a82652dca', 1, 'xtnd', 1, 'orders', 'OrderReserved', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:04.123456+00', '2025-06-27 04:55:04.123456+00', 'xtnd.orders', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('c20ad4d76fe97759aa27a0c99bff6710:0', 'c20ad4d76fe97759aa27a0c99bff6710', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:58.123456+00', '2025-06-27 04:54:58.123456+00', 'xtnd.orders', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('Own_25-x:1', 'Own_25-x', 1, 'xtnd', 2, 'orders', 'OrderDeliveryDataChanged', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:38.123456+00', '2025-06-27 04:54:38.123456+00', 'xtnd.orders', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('eccbc87e4b5ce2fe28308fd9f2a7baf3:1', 'eccbc87e4b5ce2fe28308fd9f2a7baf3', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:52:03.123456+00', '2025-06-27 04:52:03.123456+00', 'xtnd.purchases', 0, 64, '2025-06-27 05:53:20.12352+00'),
	('e4da3b7fbbce2345d7772b0674a318d5:1', 'e4da3b7fbbce2345d7772b0674a318d5', 1, 'second', 1, 'balances', 'AvailableBalanceChanged', 'P2|2', '{"Warehouse": "2", "ProductNumber": "P2", "AvailableBalance": 7}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:52:59.123456+00', '2025-06-27 04:52:59.123456+00', 'xtnd.balances', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('1679091c5a880faf6fb5e6087eb1b2dc:0', '1679091c5a880faf6fb5e6087eb1b2dc', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:52.123456+00', '2025-06-27 04:53:52.123456+00', 'xtnd.products', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('Own_15-x:1', 'Own_15-x', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:18.123456+00', '2025-06-27 04:53:18.123456+00', 'xtnd.customers', 0, 24, '2025-06-27 05:53:20.12348+00'),
	('c51ce410c124a10e0db5e4b97fc2af39:0', 'c51ce410c124a10e0db5e4b97fc2af39', 0, 'xtnd', 1, 'orders', 'OrderCancelled', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:28.123456+00', '2025-06-27 04:55:28.123456+00', 'xtnd.orders', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('aab3238922bcc25a6f606eb525ffdc56:0', 'aab3238922bcc25a6f606eb525ffdc56', 0, 'xtnd', 2, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "2", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:31.123456+00', '2025-06-27 04:54:31.123456+00', 'xtnd.purchases', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('aab3238922bcc25a6f606eb525ffdc56:1', 'aab3238922bcc25a6f606eb525ffdc56', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', '8684', '{"Warehouse": "N", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:40.123456+00', '2025-06-27 04:55:40.123456+00', 'xtnd.purchases', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('Own_30-x:0', 'Own_30-x', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": "0.000001", "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:36.123456+00', '2025-06-27 04:54:36.123456+00', 'xtnd.purchases', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('9bf31c7ff062936a96d3c8bd1f8f2ff3:1', '9bf31c7ff062936a96d3c8bd1f8f2ff3', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": 100000000000000000000, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:14.123456+00', '2025-06-27 04:55:14.123456+00', 'xtnd.purchases', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('c74d97b01eae257e44aa9d5bade97baf:0', 'c74d97b01eae257e44aa9d5bade97baf', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'P2|N', '{"Balance": "0.000001", "EventName": "ItemChangeST", "EventType": null, "Warehouse": "N", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:07.123456+00', '2025-06-27 04:56:07.123456+00', 'xtnd.balances', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('c74d97b01eae257e44aa9d5bade97baf:1', 'c74d97b01eae257e44aa9d5bade97baf', 1, 'second', 1, 'balances', 'AvailableBalanceChanged', '007|N', '{"Warehouse": "N", "ProductNumber": "007", "AvailableBalance": "5 324"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:08.123456+00', '2025-06-27 04:55:08.123456+00', 'xtnd.balances', 1, 1, '2025-06-27 05:53:20.123457+00'),
	('70efdf2ec9b086079795c442636b55fb:0', '70efdf2ec9b086079795c442636b55fb', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:35.123456+00', '2025-06-27 04:55:35.123456+00', 'xtnd.products', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('Own_35-x:1', 'Own_35-x', 1, 'xtnd', 3, 'products', 'ProductChanged', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:33.123456+00', '2025-06-27 04:50:33.123456+00', 'xtnd.products', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('6f4922f45568161a8cdf4ad2299f6d23:0', '6f4922f45568161a8cdf4ad2299f6d23', 0, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:10.123456+00', '2025-06-27 04:56:10.123456+00', 'xtnd.products', 1, 2, '2025-06-27 05:53:20.123458+00'),
	('1f0e3dad99908345f7439f8ffabdffc4:0', '1f0e3dad99908345f7439f8ffabdffc4', 0, 'xtnd', 1, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:26.123456+00', '2025-06-27 04:56:26.123456+00', 'xtnd.customers', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('1f0e3dad99908345f7439f8ffabdffc4:1', '1f0e3dad99908345f7439f8ffabdffc4', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:44.123456+00', '2025-06-27 04:55:44.123456+00', 'xtnd.offers', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('Own_40-x:0', 'Own_40-x', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:49.123456+00', '2025-06-27 04:54:49.123456+00', 'xtnd.offers', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('98f13708210194c475687be6106a3b84:1', '98f13708210194c475687be6106a3b84', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:11.123456+00', '2025-06-27 04:56:11.123456+00', 'xtnd.invoices', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('3c59dc048e8850243be8079a5c74d079:0', '3c59dc048e8850243be8079a5c74d079', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:17.123456+00', '2025-06-27 04:56:17.123456+00', 'xtnd.invoices', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('3c59dc048e8850243be8079a5c74d079:1', '3c59dc048e8850243be8079a5c74d079', 1, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:55:17.123456+00', '2025-06-27 04:55:17.123456+00', 'xtnd.unrouted', 0, 1, '2025-06-27 05:53:20.123457+00'),
	('b6d767d2f8ed5d21a44b0e5886680cb9:0', 'b6d767d2f8ed5d21a44b0e5886680cb9', 0, 'second', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:51.123456+00', '2025-06-27 04:56:51.123456+00', 'xtnd.offers', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('37693cfc748049e45d87b8c7d8b9aacd:0', '37693cfc748049e45d87b8c7d8b9aacd', 0, 'xtnd', 1, 'products', 'ProductCreated', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:21.123456+00', '2025-06-27 04:56:21.123456+00', 'xtnd.products', 1, 3, '2025-06-27 05:53:20.123459+00'),
	('37693cfc748049e45d87b8c7d8b9aacd:1', '37693cfc748049e45d87b8c7d8b9aacd', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:32.123456+00', '2025-06-27 04:56:32.123456+00', 'xtnd.offers', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('1ff1de774005f8da13f42943881c655f:0', '1ff1de774005f8da13f42943881c655f', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:04.123456+00', '2025-06-27 04:57:04.123456+00', 'xtnd.invoices', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('1ff1de774005f8da13f42943881c655f:1', '1ff1de774005f8da13f42943881c655f', 1, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:50.123456+00', '2025-06-27 04:56:50.123456+00', 'xtnd.orders', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('8e296a067a37563370ded05f5a3bf3ec:1', '8e296a067a37563370ded05f5a3bf3ec', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "N", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:04.123456+00', '2025-06-27 04:56:04.123456+00', 'xtnd.purchases', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('4e732ced3463d06de0ca9a15b6153677:0', '4e732ced3463d06de0ca9a15b6153677', 0, 'xtnd', 1, 'orders', 'OrderCancelled', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:19.123456+00', '2025-06-27 04:57:19.123456+00', 'xtnd.orders', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('4e732ced3463d06de0ca9a15b6153677:1', '4e732ced3463d06de0ca9a15b6153677', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:02.123456+00', '2025-06-27 04:57:02.123456+00', 'xtnd.offers', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('9fc3d7152ba9336a670e36d0ed79bc43:1', '9fc3d7152ba9336a670e36d0ed79bc43', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:27.123456+00', '2025-06-27 05:08:27.123456+00', 'xtnd.offers', 0, 33, '2025-06-27 05:53:20.123489+00'),
	('6f4922f45568161a8cdf4ad2299f6d23:1', '6f4922f45568161a8cdf4ad2299f6d23', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:19.123456+00', '2025-06-27 04:54:19.123456+00', 'xtnd.customers', 0, 25, '2025-06-27 05:53:20.123481+00'),
	('Own_45-x:1', 'Own_45-x', 1, 'xtnd', 1, 'orders', 'OrderReserved', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:00.123456+00', '2025-06-27 04:54:00.123456+00', 'xtnd.orders', 0, 67, '2025-06-27 05:53:20.123523+00'),
	('Own_50-x:0', 'Own_50-x', 0, 'xtnd', 1, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:54:40.123456+00', '2025-06-27 04:54:40.123456+00', 'xtnd.customers', 0, 26, '2025-06-27 05:53:20.123482+00'),
	('02e74f10e0327ad868d138f2b4fdd6f0:0', '02e74f10e0327ad868d138f2b4fdd6f0', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:41.123456+00', '2025-06-27 04:56:41.123456+00', 'xtnd.unrouted', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('Own_55-x:1', 'Own_55-x', 1, 'second', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:34.123456+00', '2025-06-27 04:56:34.123456+00', 'xtnd.invoices', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('33e75ff09dd601bbe69f351039152189:0', '33e75ff09dd601bbe69f351039152189', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8684', '{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "2", "OrderNumber": "8684", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:01.123456+00', '2025-06-27 04:56:01.123456+00', 'xtnd.purchases', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('33e75ff09dd601bbe69f351039152189:1', '33e75ff09dd601bbe69f351039152189', 1, 'xtnd', 2, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "0.000001", "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:29.123456+00', '2025-06-27 04:56:29.123456+00', 'xtnd.purchases', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('6ea9ab1baa0efb9e19094440c317e21b:0', '6ea9ab1baa0efb9e19094440c317e21b', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:37.123456+00', '2025-06-27 04:56:37.123456+00', 'xtnd.invoices', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('6ea9ab1baa0efb9e19094440c317e21b:1', '6ea9ab1baa0efb9e19094440c317e21b', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:21.123456+00', '2025-06-27 04:57:21.123456+00', 'xtnd.invoices', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('Own_60-x:0', 'Own_60-x', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:24.123456+00', '2025-06-27 04:57:24.123456+00', 'xtnd.customers', 1, 1, '2025-06-27 05:53:20.123457+00'),
	('34173cb38f07f89ddbebc2ac9128303f:1', '34173cb38f07f89ddbebc2ac9128303f', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', '8685', '{"Warehouse": "2", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:03.123456+00', '2025-06-27 04:56:03.123456+00', 'xtnd.purchases', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('c16a5320fa475530d9583c34fd356ef5:0', 'c16a5320fa475530d9583c34fd356ef5', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:31.123456+00', '2025-06-27 04:57:31.123456+00', 'xtnd.invoices', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('c16a5320fa475530d9583c34fd356ef5:1', 'c16a5320fa475530d9583c34fd356ef5', 1, 'xtnd', 2, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:00.123456+00', '2025-06-27 04:56:00.123456+00', 'xtnd.unrouted', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('6364d3f0f495b6ab9dcf8d3b5c6e0b01:0', '6364d3f0f495b6ab9dcf8d3b5c6e0b01', 0, 'xtnd', 1, 'orders', 'OrderDeliveryDataChanged', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:40.123456+00', '2025-06-27 04:57:40.123456+00', 'xtnd.orders', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('Own_65-x:1', 'Own_65-x', 1, 'xtnd', 1, 'orders', 'OrderCancelled', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:36.123456+00', '2025-06-27 04:56:36.123456+00', 'xtnd.orders', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('182be0c5cdcd5072bb1864cdee4d3d6e:0', '182be0c5cdcd5072bb1864cdee4d3d6e', 0, 'second', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:41.123456+00', '2025-06-27 04:56:41.123456+00', 'xtnd.invoices', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('182be0c5cdcd5072bb1864cdee4d3d6e:1', '182be0c5cdcd5072bb1864cdee4d3d6e', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:26.123456+00', '2025-06-27 04:56:26.123456+00', 'xtnd.customers', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('e369853df766fa44e1ed0ff613f563bd:0', 'e369853df766fa44e1ed0ff613f563bd', 0, 'xtnd', 1, 'orders', 'OrderCreated', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:03.123456+00', '2025-06-27 04:58:03.123456+00', 'xtnd.orders', 0, 17, '2025-06-27 05:53:20.123473+00'),
	('e369853df766fa44e1ed0ff613f563bd:1', 'e369853df766fa44e1ed0ff613f563bd', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'P1|1', '[{"Warehouse": "1", "ProductNumber": "P1", "AvailableBalance": -3}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:32.123456+00', '2025-06-27 04:56:32.123456+00', 'xtnd.balances', 0, 2, '2025-06-27 05:53:20.123458+00'),
	('Own_70-x:0', 'Own_70-x', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:23.123456+00', '2025-06-27 04:58:23.123456+00', 'xtnd.orders', 0, 18, '2025-06-27 05:53:20.123474+00'),
	('1c383cd30b7c298ab50293adfecb7b18:1', '1c383cd30b7c298ab50293adfecb7b18', 1, 'xtnd', 3, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:44.123456+00', '2025-06-27 04:52:44.123456+00', 'xtnd.unrouted', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('19ca14e7ea6328a42e0eb13d585e4c22:0', '19ca14e7ea6328a42e0eb13d585e4c22', 0, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:04.123456+00', '2025-06-27 04:57:04.123456+00', 'xtnd.offers', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('19ca14e7ea6328a42e0eb13d585e4c22:1', '19ca14e7ea6328a42e0eb13d585e4c22', 1, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:51.123456+00', '2025-06-27 04:56:51.123456+00', 'xtnd.products', 1, 4, '2025-06-27 05:53:20.12346+00'),
	('a5bfc9e07964f8dddeb95fc584cd965d:0', 'a5bfc9e07964f8dddeb95fc584cd965d', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": -3, "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:04.123456+00', '2025-06-27 04:58:04.123456+00', 'xtnd.purchases', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('Own_75-x:1', 'Own_75-x', 1, 'xtnd', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:56.123456+00', '2025-06-27 04:57:56.123456+00', 'xtnd.products', 1, 5, '2025-06-27 05:53:20.123461+00'),
	('a5771bce93e200c36f7cd9dfd0e5deaa:0', 'a5771bce93e200c36f7cd9dfd0e5deaa', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:56:59.123456+00', '2025-06-27 04:56:59.123456+00', 'xtnd.invoices', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('a5771bce93e200c36f7cd9dfd0e5deaa:1', 'a5771bce93e200c36f7cd9dfd0e5deaa', 1, 'second', 1, 'balances', 'AvailableBalanceChanged', 'P1|1', '{"Warehouse": "1", "ProductNumber": "P1", "AvailableBalance": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:22.123456+00', '2025-06-27 04:58:22.123456+00', 'xtnd.balances', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('d67d8ab4f4c10bf22aa353e27879133c:0', 'd67d8ab4f4c10bf22aa353e27879133c', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:54.123456+00', '2025-06-27 04:57:54.123456+00', 'xtnd.offers', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('d67d8ab4f4c10bf22aa353e27879133c:1', 'd67d8ab4f4c10bf22aa353e27879133c', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:48.123456+00', '2025-06-27 04:57:48.123456+00', 'xtnd.invoices', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('Own_80-x:0', 'Own_80-x', 0, 'xtnd', 2, 'products', 'ProductCreated', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:42.123456+00', '2025-06-27 04:57:42.123456+00', 'xtnd.products', 1, 6, '2025-06-27 05:53:20.123462+00'),
	('d645920e395fedad7bbbed0eca3fe2e0:1', 'd645920e395fedad7bbbed0eca3fe2e0', 1, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:43.123456+00', '2025-06-27 04:57:43.123456+00', 'xtnd.unrouted', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('3416a75f4cea9109507cacd8e2f2aefc:0', '3416a75f4cea9109507cacd8e2f2aefc', 0, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:19.123456+00', '2025-06-27 04:58:19.123456+00', 'xtnd.products', 1, 7, '2025-06-27 05:53:20.123463+00'),
	('3416a75f4cea9109507cacd8e2f2aefc:1', '3416a75f4cea9109507cacd8e2f2aefc', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:45.123456+00', '2025-06-27 04:58:45.123456+00', 'xtnd.offers', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('a1d0c6e83f027327d8461063f4ac58a6:0', 'a1d0c6e83f027327d8461063f4ac58a6', 0, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'Ö|ß|N', '[{"Warehouse": "N", "ProductNumber": "Ö|ß", "AvailableBalance": 7}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:12.123456+00', '2025-06-27 04:59:12.123456+00', 'xtnd.balances', 1, 2, '2025-06-27 05:53:20.123458+00'),
	('Own_85-x:1', 'Own_85-x', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:45.123456+00', '2025-06-27 04:58:45.123456+00', 'xtnd.offers', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('17e62166fc8586dfa4d1bc0e1742c08b:0', '17e62166fc8586dfa4d1bc0e1742c08b', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:48.123456+00', '2025-06-27 04:58:48.123456+00', 'xtnd.products', 0, 3, '2025-06-27 05:53:20.123459+00'),
	('17e62166fc8586dfa4d1bc0e1742c08b:1', '17e62166fc8586dfa4d1bc0e1742c08b', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '[{"Unit": "ST", "Position": 0, "Quantity": 100000000000000000000, "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 1, "Quantity": 100000000000000000000, "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": 100000000000000000000, "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:05.123456+00', '2025-06-27 04:58:05.123456+00', 'xtnd.purchases', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('f7177163c833dff4b38fc8d2872f1ec6:0', 'f7177163c833dff4b38fc8d2872f1ec6', 0, 'second', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:34.123456+00', '2025-06-27 04:57:34.123456+00', 'xtnd.invoices', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('f7177163c833dff4b38fc8d2872f1ec6:1', 'f7177163c833dff4b38fc8d2872f1ec6', 1, 'xtnd', 2, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:45.123456+00', '2025-06-27 04:56:45.123456+00', 'xtnd.unrouted', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('6c8349cc7260ae62e3b1396831a8398f:1', '6c8349cc7260ae62e3b1396831a8398f', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:25.123456+00', '2025-06-27 04:58:25.123456+00', 'xtnd.customers', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('d9d4f495e875a2e075a1a4a6e1b9770f:0', 'd9d4f495e875a2e075a1a4a6e1b9770f', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:28.123456+00', '2025-06-27 04:58:28.123456+00', 'xtnd.purchases', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('67c6a1e7ce56d3d6fa748ab6d9af3fd7:0', '67c6a1e7ce56d3d6fa748ab6d9af3fd7', 0, 'xtnd', 3, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:29.123456+00', '2025-06-27 04:54:29.123456+00', 'xtnd.orders', 0, 19, '2025-06-27 05:53:20.123475+00'),
	('Own_95-x:1', 'Own_95-x', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:37.123456+00', '2025-06-27 04:59:37.123456+00', 'xtnd.customers', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('642e92efb79421734881b53e1e1b18b6:0', '642e92efb79421734881b53e1e1b18b6', 0, 'xtnd', 1, 'balances', 'BalanceChanged', '007|1', '{"Balance": "1 200,5", "EventName": "ItemChangeST", "EventType": null, "Warehouse": "1", "ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:13.123456+00', '2025-06-27 04:59:13.123456+00', 'xtnd.balances', 1, 3, '2025-06-27 05:53:20.123459+00'),
	('642e92efb79421734881b53e1e1b18b6:1', '642e92efb79421734881b53e1e1b18b6', 1, 'xtnd', 1, 'orders', 'OrderPicked', 'Ä-1', '{"OrderType": "NormalOrder", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:32.123456+00', '2025-06-27 04:58:32.123456+00', 'xtnd.orders', 0, 20, '2025-06-27 05:53:20.123476+00'),
	('f457c545a9ded88f18ecee47145a72c0:1', 'f457c545a9ded88f18ecee47145a72c0', 1, 'second', 1, 'purchases', 'PurchaseCancelled', '8685', '{"Warehouse": "1", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:18.123456+00', '2025-06-27 04:59:18.123456+00', 'xtnd.purchases', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('Own_100-x:0', 'Own_100-x', 0, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:14.123456+00', '2025-06-27 04:58:14.123456+00', 'xtnd.orders', 0, 21, '2025-06-27 05:53:20.123477+00'),
	('c0c7c76d30bd3dcaefc96f40275bdc0a:1', 'c0c7c76d30bd3dcaefc96f40275bdc0a', 1, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:51.123456+00', '2025-06-27 04:58:51.123456+00', 'xtnd.customers', 1, 2, '2025-06-27 05:53:20.123458+00'),
	('2838023a778dfaecdc212708f721b788:0', '2838023a778dfaecdc212708f721b788', 0, 'xtnd', 3, 'orders', 'OrderDeliveryDataChanged', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:42.123456+00', '2025-06-27 04:54:42.123456+00', 'xtnd.orders', 0, 22, '2025-06-27 05:53:20.123478+00'),
	('2838023a778dfaecdc212708f721b788:1', '2838023a778dfaecdc212708f721b788', 1, 'xtnd', 1, 'orders', 'PickingStarted', 'Ä-1', '{"Order": {"Row": {"Unit": {"Quantity": 0}, "Position": "20", "SubPosition": 0, "ProductNumber": "P2"}, "Warehouse": "2", "OrderNumber": "Ä-1"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:43.123456+00', '2025-06-27 04:59:43.123456+00', 'xtnd.orders', 0, 23, '2025-06-27 05:53:20.123479+00'),
	('9a1158154dfa42caddbd0694a4e9bdc8:0', '9a1158154dfa42caddbd0694a4e9bdc8', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "N", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:22.123456+00', '2025-06-27 05:00:22.123456+00', 'xtnd.purchases', 0, 17, '2025-06-27 05:53:20.123473+00');
INSERT INTO public.notifications VALUES
	('Own_105-x:1', 'Own_105-x', 1, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:07.123456+00', '2025-06-27 04:59:07.123456+00', 'xtnd.orders', 0, 24, '2025-06-27 05:53:20.12348+00'),
	('d82c8d1619ad8176d665453cfb2e55f0:0', 'd82c8d1619ad8176d665453cfb2e55f0', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:07.123456+00', '2025-06-27 05:00:07.123456+00', 'xtnd.invoices', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('d82c8d1619ad8176d665453cfb2e55f0:1', 'd82c8d1619ad8176d665453cfb2e55f0', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "2", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:19.123456+00', '2025-06-27 04:59:19.123456+00', 'xtnd.purchases', 0, 18, '2025-06-27 05:53:20.123474+00'),
	('a684eceee76fc522773286a895bc8436:0', 'a684eceee76fc522773286a895bc8436', 0, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:29.123456+00', '2025-06-27 05:00:29.123456+00', 'xtnd.offers', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('d9d4f495e875a2e075a1a4a6e1b9770f:1', 'd9d4f495e875a2e075a1a4a6e1b9770f', 1, 'xtnd', 1, 'products', 'ProductCreated', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:28.123456+00', '2025-06-27 04:58:28.123456+00', 'xtnd.products', 1, 21, '2025-06-27 05:53:20.123477+00'),
	('a684eceee76fc522773286a895bc8436:1', 'a684eceee76fc522773286a895bc8436', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:33.123456+00', '2025-06-27 04:59:33.123456+00', 'xtnd.invoices', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('Own_110-x:0', 'Own_110-x', 0, 'second', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:58:46.123456+00', '2025-06-27 04:58:46.123456+00', 'xtnd.orders', 0, 25, '2025-06-27 05:53:20.123481+00'),
	('b53b3a3d6ab90ce0268229151c9bde11:1', 'b53b3a3d6ab90ce0268229151c9bde11', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "1", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:38.123456+00', '2025-06-27 05:00:38.123456+00', 'xtnd.purchases', 0, 19, '2025-06-27 05:53:20.123475+00'),
	('9f61408e3afb633e50cdf1b20de6f466:0', '9f61408e3afb633e50cdf1b20de6f466', 0, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:30.123456+00', '2025-06-27 04:59:30.123456+00', 'xtnd.purchases', 0, 20, '2025-06-27 05:53:20.123476+00'),
	('9f61408e3afb633e50cdf1b20de6f466:1', '9f61408e3afb633e50cdf1b20de6f466', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "2", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:17.123456+00', '2025-06-27 05:00:17.123456+00', 'xtnd.purchases', 0, 21, '2025-06-27 05:53:20.123477+00'),
	('72b32a1f754ba1c09b3695e0cb6cde7f:0', '72b32a1f754ba1c09b3695e0cb6cde7f', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "1", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:43.123456+00', '2025-06-27 04:59:43.123456+00', 'xtnd.purchases', 0, 22, '2025-06-27 05:53:20.123478+00'),
	('Own_115-x:1', 'Own_115-x', 1, 'xtnd', 1, 'products', 'ProductChanged', 'Ö|ß', '{"ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:07.123456+00', '2025-06-27 05:00:07.123456+00', 'xtnd.products', 1, 9, '2025-06-27 05:53:20.123465+00'),
	('66f041e16a60928b05a7e228a89c3799:0', '66f041e16a60928b05a7e228a89c3799', 0, 'xtnd', 3, 'purchases', 'PurchaseDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": "0.000001", "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:22.123456+00', '2025-06-27 04:54:22.123456+00', 'xtnd.purchases', 0, 23, '2025-06-27 05:53:20.123479+00'),
	('66f041e16a60928b05a7e228a89c3799:1', '66f041e16a60928b05a7e228a89c3799', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:15.123456+00', '2025-06-27 04:59:15.123456+00', 'xtnd.customers', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('093f65e080a295f8076b1c5722a46aa2:0', '093f65e080a295f8076b1c5722a46aa2', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:47.123456+00', '2025-06-27 05:00:47.123456+00', 'xtnd.invoices', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('093f65e080a295f8076b1c5722a46aa2:1', '093f65e080a295f8076b1c5722a46aa2', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "1 200,5", "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:25.123456+00', '2025-06-27 05:00:25.123456+00', 'xtnd.purchases', 0, 24, '2025-06-27 05:53:20.12348+00'),
	('Own_120-x:0', 'Own_120-x', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:33.123456+00', '2025-06-27 05:00:33.123456+00', 'xtnd.orders', 0, 26, '2025-06-27 05:53:20.123482+00'),
	('072b030ba126b2f4b2374f342be9ed44:1', '072b030ba126b2f4b2374f342be9ed44', 1, 'second', 1, 'purchases', 'PurchaseCreated', 'Ä-1', '{"Warehouse": "2", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:59:40.123456+00', '2025-06-27 04:59:40.123456+00', 'xtnd.purchases', 0, 25, '2025-06-27 05:53:20.123481+00'),
	('7f39f8317fbdb1988ef4c628eba02591:0', '7f39f8317fbdb1988ef4c628eba02591', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "2", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:20.123456+00', '2025-06-27 05:01:20.123456+00', 'xtnd.purchases', 0, 26, '2025-06-27 05:53:20.123482+00'),
	('7f39f8317fbdb1988ef4c628eba02591:1', '7f39f8317fbdb1988ef4c628eba02591', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:20.123456+00', '2025-06-27 05:00:20.123456+00', 'xtnd.customers', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('44f683a84163b3523afe57c2e008bc8c:0', '44f683a84163b3523afe57c2e008bc8c', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": "1 200,5", "Warehouse": "N", "OrderNumber": "8685", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:55.123456+00', '2025-06-27 05:00:55.123456+00', 'xtnd.purchases', 0, 27, '2025-06-27 05:53:20.123483+00'),
	('Own_125-x:1', 'Own_125-x', 1, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|2', '{"Balance": "-12.5", "EventName": "ItemChangeST", "EventType": null, "Warehouse": "2", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:19.123456+00', '2025-06-27 05:00:19.123456+00', 'xtnd.balances', 1, 4, '2025-06-27 05:53:20.12346+00'),
	('03afdbd66e7929b125f8597834fa83a4:0', '03afdbd66e7929b125f8597834fa83a4', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:10.123456+00', '2025-06-27 05:01:10.123456+00', 'xtnd.offers', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('03afdbd66e7929b125f8597834fa83a4:1', '03afdbd66e7929b125f8597834fa83a4', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'P1|N', '{"Warehouse": "N", "ProductNumber": "P1", "AvailableBalance": "0.000001"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:37.123456+00', '2025-06-27 05:00:37.123456+00', 'xtnd.balances', 0, 4, '2025-06-27 05:53:20.12346+00'),
	('ea5d2f1c4608232e07d3aa3d998e5135:0', 'ea5d2f1c4608232e07d3aa3d998e5135', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:01.123456+00', '2025-06-27 05:01:01.123456+00', 'xtnd.customers', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('fc490ca45c00b1249bbe3554a4fdf6fb:1', 'fc490ca45c00b1249bbe3554a4fdf6fb', 1, 'xtnd', 1, 'products', 'ProductCreated', 'Ö|ß', '{"ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:55.123456+00', '2025-06-27 05:00:55.123456+00', 'xtnd.products', 1, 10, '2025-06-27 05:53:20.123466+00'),
	('3295c76acbf4caaed33c36b1b5fc2cb1:0', '3295c76acbf4caaed33c36b1b5fc2cb1', 0, 'second', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:59.123456+00', '2025-06-27 05:00:59.123456+00', 'xtnd.offers', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('3295c76acbf4caaed33c36b1b5fc2cb1:1', '3295c76acbf4caaed33c36b1b5fc2cb1', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:55.123456+00', '2025-06-27 05:01:55.123456+00', 'xtnd.offers', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('735b90b4568125ed6c3f678819b6e058:0', '735b90b4568125ed6c3f678819b6e058', 0, 'xtnd', 1, 'orders', 'OrderDeliveryDataChanged', 'Ä-1', '{"OrderType": "NormalOrder", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:15.123456+00', '2025-06-27 05:00:15.123456+00', 'xtnd.orders', 0, 27, '2025-06-27 05:53:20.123483+00'),
	('Own_135-x:1', 'Own_135-x', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": 2.5, "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:21.123456+00', '2025-06-27 05:00:21.123456+00', 'xtnd.purchases', 0, 29, '2025-06-27 05:53:20.123485+00'),
	('a3f390d88e4c41f2747bfa2f1b5f87db:0', 'a3f390d88e4c41f2747bfa2f1b5f87db', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:01.123456+00', '2025-06-27 05:02:01.123456+00', 'xtnd.customers', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('Own_130-x:0', 'Own_130-x', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:28.123456+00', '2025-06-27 05:00:28.123456+00', 'xtnd.products', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('a3f390d88e4c41f2747bfa2f1b5f87db:1', 'a3f390d88e4c41f2747bfa2f1b5f87db', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'P1|1', '[{"Warehouse": "1", "ProductNumber": "P1", "AvailableBalance": 100000000000000000000}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:32.123456+00', '2025-06-27 05:01:32.123456+00', 'xtnd.balances', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('14bfa6bb14875e45bba028a21ed38046:0', '14bfa6bb14875e45bba028a21ed38046', 0, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:08.123456+00', '2025-06-27 05:02:08.123456+00', 'xtnd.purchases', 0, 30, '2025-06-27 05:53:20.123486+00'),
	('14bfa6bb14875e45bba028a21ed38046:1', '14bfa6bb14875e45bba028a21ed38046', 1, 'xtnd', 1, 'products', 'ProductCreated', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:04.123456+00', '2025-06-27 05:01:04.123456+00', 'xtnd.products', 0, 5, '2025-06-27 05:53:20.123461+00'),
	('Own_140-x:0', 'Own_140-x', 0, 'xtnd', 3, 'balances', 'BalanceChanged', 'P2|1', '{"Balance": -3, "EventName": "ItemChangeST", "EventType": "Delivery", "Warehouse": "1", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:11.123456+00', '2025-06-27 04:57:11.123456+00', 'xtnd.balances', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('7cbbc409ec990f19c78c75bd1e06f215:1', '7cbbc409ec990f19c78c75bd1e06f215', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:56.123456+00', '2025-06-27 05:00:56.123456+00', 'xtnd.offers', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('e2c420d928d4bf8ce0ff2ec19b371514:0', 'e2c420d928d4bf8ce0ff2ec19b371514', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8684', '{"Unit": "ST", "Position": 0, "Quantity": "1 200,5", "Warehouse": "N", "OrderNumber": "8684", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:11.123456+00', '2025-06-27 05:01:11.123456+00', 'xtnd.purchases', 0, 31, '2025-06-27 05:53:20.123487+00'),
	('e2c420d928d4bf8ce0ff2ec19b371514:1', 'e2c420d928d4bf8ce0ff2ec19b371514', 1, 'second', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:59.123456+00', '2025-06-27 05:01:59.123456+00', 'xtnd.products', 1, 11, '2025-06-27 05:53:20.123467+00'),
	('32bb90e8976aab5298d5da10fe66f21d:0', '32bb90e8976aab5298d5da10fe66f21d', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:50.123456+00', '2025-06-27 05:00:50.123456+00', 'xtnd.offers', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('d2ddea18f00665ce8623e36bd4e3c7c5:1', 'd2ddea18f00665ce8623e36bd4e3c7c5', 1, 'xtnd', 1, 'orders', 'OrderPicked', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:06.123456+00', '2025-06-27 05:02:06.123456+00', 'xtnd.orders', 0, 30, '2025-06-27 05:53:20.123486+00'),
	('ad61ab143223efbc24c7d2583be69251:0', 'ad61ab143223efbc24c7d2583be69251', 0, 'xtnd', 1, 'orders', 'OrderPicked', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:00.123456+00', '2025-06-27 05:02:00.123456+00', 'xtnd.orders', 0, 31, '2025-06-27 05:53:20.123487+00'),
	('ad61ab143223efbc24c7d2583be69251:1', 'ad61ab143223efbc24c7d2583be69251', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:37.123456+00', '2025-06-27 05:02:37.123456+00', 'xtnd.purchases', 0, 32, '2025-06-27 05:53:20.123488+00'),
	('Own_150-x:0', 'Own_150-x', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:32.123456+00', '2025-06-27 05:02:32.123456+00', 'xtnd.unrouted', 1, 0, '2025-06-27 05:53:20.123456+00'),
	('d09bf41544a3365a46c9077ebb5e35c3:1', 'd09bf41544a3365a46c9077ebb5e35c3', 1, 'xtnd', 2, 'orders', 'OrderDeliveryDataChanged', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:22.123456+00', '2025-06-27 05:00:22.123456+00', 'xtnd.orders', 0, 32, '2025-06-27 05:53:20.123488+00'),
	('fbd7939d674997cdb4692d34de8633c4:0', 'fbd7939d674997cdb4692d34de8633c4', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": "-12.5", "Warehouse": "N", "OrderNumber": "8685", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:34.123456+00', '2025-06-27 05:02:34.123456+00', 'xtnd.purchases', 0, 33, '2025-06-27 05:53:20.123489+00'),
	('fbd7939d674997cdb4692d34de8633c4:1', 'fbd7939d674997cdb4692d34de8633c4', 1, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:27.123456+00', '2025-06-27 05:02:27.123456+00', 'xtnd.customers', 1, 3, '2025-06-27 05:53:20.123459+00'),
	('28dd2c7955ce926456240b2ff0100bde:0', '28dd2c7955ce926456240b2ff0100bde', 0, 'second', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:53.123456+00', '2025-06-27 05:01:53.123456+00', 'xtnd.offers', 0, 17, '2025-06-27 05:53:20.123473+00'),
	('Own_155-x:1', 'Own_155-x', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "1", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:18.123456+00', '2025-06-27 05:03:18.123456+00', 'xtnd.purchases', 0, 34, '2025-06-27 05:53:20.12349+00'),
	('35f4a8d465e6e1edc05f3d8ab658c551:1', '35f4a8d465e6e1edc05f3d8ab658c551', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:42.123456+00', '2025-06-27 05:01:42.123456+00', 'xtnd.offers', 0, 18, '2025-06-27 05:53:20.123474+00'),
	('d1fe173d08e959397adf34b1d77e88d7:0', 'd1fe173d08e959397adf34b1d77e88d7', 0, 'xtnd', 3, 'balances', 'AvailableBalanceChanged', '007|2', '[{"Warehouse": "2", "ProductNumber": "007", "AvailableBalance": "-12.5"}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:54.123456+00', '2025-06-27 04:57:54.123456+00', 'xtnd.balances', 1, 5, '2025-06-27 05:53:20.123461+00'),
	('Own_160-x:0', 'Own_160-x', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8684', '[{"Unit": "ST", "Position": 0, "Quantity": 100000000000000000000, "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": null}, {"Unit": "ST", "Position": 1, "Quantity": 100000000000000000000, "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 2, "Quantity": 100000000000000000000, "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": null}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:22.123456+00', '2025-06-27 05:03:22.123456+00', 'xtnd.purchases', 0, 35, '2025-06-27 05:53:20.123491+00'),
	('f033ab37c30201f73f142449d037028d:1', 'f033ab37c30201f73f142449d037028d', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:35.123456+00', '2025-06-27 05:03:35.123456+00', 'xtnd.purchases', 0, 36, '2025-06-27 05:53:20.123492+00'),
	('43ec517d68b6edd3015b3edc9a11367b:0', '43ec517d68b6edd3015b3edc9a11367b', 0, 'xtnd', 1, 'orders', 'PickingStarted', '8685', '{"Order": {"Row": {"Unit": {"Quantity": null}, "Position": 10, "SubPosition": 0, "ProductNumber": "007"}, "Warehouse": "2", "OrderNumber": "8685"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:39.123456+00', '2025-06-27 05:03:39.123456+00', 'xtnd.orders', 0, 34, '2025-06-27 05:53:20.12349+00'),
	('d2ddea18f00665ce8623e36bd4e3c7c5:0', 'd2ddea18f00665ce8623e36bd4e3c7c5', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:45.123456+00', '2025-06-27 05:00:45.123456+00', 'xtnd.orders', 0, 70, '2025-06-27 05:53:20.123526+00'),
	('35f4a8d465e6e1edc05f3d8ab658c551:0', '35f4a8d465e6e1edc05f3d8ab658c551', 0, 'xtnd', 1, 'orders', 'OrderCancelled', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:13.123456+00', '2025-06-27 05:01:13.123456+00', 'xtnd.orders', 0, 71, '2025-06-27 05:53:20.123527+00'),
	('d1fe173d08e959397adf34b1d77e88d7:1', 'd1fe173d08e959397adf34b1d77e88d7', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:26.123456+00', '2025-06-27 05:01:26.123456+00', 'xtnd.customers', 0, 27, '2025-06-27 05:53:20.123483+00'),
	('43ec517d68b6edd3015b3edc9a11367b:1', '43ec517d68b6edd3015b3edc9a11367b', 1, 'xtnd', 1, 'orders', 'OrderCancelled', '8685', '{"OrderType": null, "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:37.123456+00', '2025-06-27 05:03:37.123456+00', 'xtnd.orders', 0, 35, '2025-06-27 05:53:20.123491+00'),
	('9778d5d219c5080b9a6a17bef029331c:0', '9778d5d219c5080b9a6a17bef029331c', 0, 'xtnd', 1, 'products', 'ProductCreated', 'Ö|ß', '{"ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:23.123456+00', '2025-06-27 05:03:23.123456+00', 'xtnd.products', 1, 12, '2025-06-27 05:53:20.123468+00'),
	('Own_165-x:1', 'Own_165-x', 1, 'second', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:03.123456+00', '2025-06-27 05:03:03.123456+00', 'xtnd.products', 1, 13, '2025-06-27 05:53:20.123469+00'),
	('fe9fc289c3ff0af142b6d3bead98a923:0', 'fe9fc289c3ff0af142b6d3bead98a923', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "2", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:41.123456+00', '2025-06-27 05:02:41.123456+00', 'xtnd.purchases', 0, 37, '2025-06-27 05:53:20.123493+00'),
	('fe9fc289c3ff0af142b6d3bead98a923:1', 'fe9fc289c3ff0af142b6d3bead98a923', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:47.123456+00', '2025-06-27 05:03:47.123456+00', 'xtnd.offers', 0, 19, '2025-06-27 05:53:20.123475+00'),
	('68d30a9594728bc39aa24be94b319d21:1', '68d30a9594728bc39aa24be94b319d21', 1, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|2', '{"Balance": 100000000000000000000, "EventName": "ItemChangeST", "EventType": "Delivery", "Warehouse": "2", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:36.123456+00', '2025-06-27 05:02:36.123456+00', 'xtnd.balances', 1, 6, '2025-06-27 05:53:20.123462+00'),
	('Own_170-x:0', 'Own_170-x', 0, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "N", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:53.123456+00', '2025-06-27 05:02:53.123456+00', 'xtnd.purchases', 0, 38, '2025-06-27 05:53:20.123494+00'),
	('3ef815416f775098fe977004015c6193:1', '3ef815416f775098fe977004015c6193', 1, 'xtnd', 1, 'orders', 'OrderCreated', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:57.123456+00', '2025-06-27 05:03:57.123456+00', 'xtnd.orders', 0, 37, '2025-06-27 05:53:20.123493+00'),
	('93db85ed909c13838ff95ccfa94cebd9:0', '93db85ed909c13838ff95ccfa94cebd9', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:25.123456+00', '2025-06-27 05:03:25.123456+00', 'xtnd.customers', 1, 4, '2025-06-27 05:53:20.12346+00'),
	('93db85ed909c13838ff95ccfa94cebd9:1', '93db85ed909c13838ff95ccfa94cebd9', 1, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": null, "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:15.123456+00', '2025-06-27 05:03:15.123456+00', 'xtnd.orders', 0, 38, '2025-06-27 05:53:20.123494+00'),
	('c7e1249ffc03eb9ded908c236bd1996d:0', 'c7e1249ffc03eb9ded908c236bd1996d', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:24.123456+00', '2025-06-27 05:03:24.123456+00', 'xtnd.offers', 0, 20, '2025-06-27 05:53:20.123476+00'),
	('2a38a4a9316c49e5a833517c45d31070:0', '2a38a4a9316c49e5a833517c45d31070', 0, 'second', 1, 'orders', 'OrderReserved', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:11.123456+00', '2025-06-27 05:03:11.123456+00', 'xtnd.orders', 0, 39, '2025-06-27 05:53:20.123495+00'),
	('2a38a4a9316c49e5a833517c45d31070:1', '2a38a4a9316c49e5a833517c45d31070', 1, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:26.123456+00', '2025-06-27 05:03:26.123456+00', 'xtnd.customers', 1, 5, '2025-06-27 05:53:20.123461+00'),
	('7647966b7343c29048673252e490f736:0', '7647966b7343c29048673252e490f736', 0, 'xtnd', 1, 'purchases', 'PurchaseCancelled', '8684', '{"Warehouse": "1", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:09.123456+00', '2025-06-27 05:04:09.123456+00', 'xtnd.purchases', 0, 39, '2025-06-27 05:53:20.123495+00'),
	('7647966b7343c29048673252e490f736:1', '7647966b7343c29048673252e490f736', 1, 'xtnd', 1, 'orders', 'PickingStarted', '8685', '{"Order": {"Row": {"Unit": {"Quantity": "-12.5"}, "Position": "20", "SubPosition": 0, "ProductNumber": "P1"}, "Warehouse": "1", "OrderNumber": "8685"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:03.123456+00', '2025-06-27 05:03:03.123456+00', 'xtnd.orders', 0, 40, '2025-06-27 05:53:20.123496+00'),
	('Own_180-x:0', 'Own_180-x', 0, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:23.123456+00', '2025-06-27 05:03:23.123456+00', 'xtnd.orders', 0, 41, '2025-06-27 05:53:20.123497+00'),
	('8613985ec49eb8f757ae6439e879bb2a:1', '8613985ec49eb8f757ae6439e879bb2a', 1, 'xtnd', 1, 'orders', 'PickingStarted', '8685', '{"Order": {"Row": {"Unit": {"Quantity": "-12.5"}, "Position": 10, "SubPosition": 0, "ProductNumber": "P1"}, "Warehouse": "2", "OrderNumber": "8685"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:02.123456+00', '2025-06-27 05:03:02.123456+00', 'xtnd.orders', 0, 42, '2025-06-27 05:53:20.123498+00'),
	('54229abfcfa5649e7003b83dd4755294:0', '54229abfcfa5649e7003b83dd4755294', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|1', '{"Balance": null, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "1", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:56.123456+00', '2025-06-27 05:04:56.123456+00', 'xtnd.balances', 1, 8, '2025-06-27 05:53:20.123464+00'),
	('54229abfcfa5649e7003b83dd4755294:1', '54229abfcfa5649e7003b83dd4755294', 1, 'xtnd', 3, 'orders', 'OrderPicked', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:38.123456+00', '2025-06-27 04:59:38.123456+00', 'xtnd.orders', 0, 43, '2025-06-27 05:53:20.123499+00'),
	('92cc227532d17e56e07902b254dfad10:0', '92cc227532d17e56e07902b254dfad10', 0, 'xtnd', 1, 'orders', 'PickingStarted', '8684', '{"Order": {"Row": {"Unit": {"Quantity": 0}, "Position": 10, "SubPosition": 0, "ProductNumber": "P1"}, "Warehouse": "N", "OrderNumber": "8684"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:26.123456+00', '2025-06-27 05:04:26.123456+00', 'xtnd.orders', 0, 44, '2025-06-27 05:53:20.1235+00'),
	('Own_185-x:1', 'Own_185-x', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:14.123456+00', '2025-06-27 05:03:14.123456+00', 'xtnd.customers', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('98dce83da57b0395e163467c9dae521b:0', '98dce83da57b0395e163467c9dae521b', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:22.123456+00', '2025-06-27 05:04:22.123456+00', 'xtnd.unrouted', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('98dce83da57b0395e163467c9dae521b:1', '98dce83da57b0395e163467c9dae521b', 1, 'second', 1, 'balances', 'AvailableBalanceChanged', 'Ö|ß|2', '[{"Warehouse": "2", "ProductNumber": "Ö|ß", "AvailableBalance": -3}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:39.123456+00', '2025-06-27 05:04:39.123456+00', 'xtnd.balances', 1, 9, '2025-06-27 05:53:20.123465+00'),
	('f0935e4cd5920aa6c7c996a5ee53a70f:1', 'f0935e4cd5920aa6c7c996a5ee53a70f', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:40.123456+00', '2025-06-27 05:05:40.123456+00', 'xtnd.customers', 0, 17, '2025-06-27 05:53:20.123473+00'),
	('Own_175-x:1', 'Own_175-x', 1, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|N', '{"Balance": -3, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "N", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:02:52.123456+00', '2025-06-27 05:02:52.123456+00', 'xtnd.balances', 1, 17, '2025-06-27 05:53:20.123473+00'),
	('f4b9ec30ad9f68f89b29639786cb62ef:0', 'f4b9ec30ad9f68f89b29639786cb62ef', 0, 'xtnd', 1, 'orders', 'OrderDeliveryDataChanged', '8685', '{"OrderType": null, "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:09.123456+00', '2025-06-27 05:04:09.123456+00', 'xtnd.orders', 0, 75, '2025-06-27 05:53:20.123531+00'),
	('f4b9ec30ad9f68f89b29639786cb62ef:1', 'f4b9ec30ad9f68f89b29639786cb62ef', 1, 'xtnd', 3, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:01.123456+00', '2025-06-27 05:00:01.123456+00', 'xtnd.purchases', 0, 40, '2025-06-27 05:53:20.123496+00'),
	('Own_190-x:0', 'Own_190-x', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '[{"Unit": "ST", "Position": 0, "Quantity": 100000000000000000000, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 1, "Quantity": 100000000000000000000, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": 100000000000000000000, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:27.123456+00', '2025-06-27 05:04:27.123456+00', 'xtnd.purchases', 0, 41, '2025-06-27 05:53:20.123497+00'),
	('812b4ba287f5ee0bc9d43bbf5bbe87fb:1', '812b4ba287f5ee0bc9d43bbf5bbe87fb', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "1", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:30.123456+00', '2025-06-27 05:03:30.123456+00', 'xtnd.purchases', 0, 42, '2025-06-27 05:53:20.123498+00'),
	('26657d5ff9020d2abefe558796b99584:0', '26657d5ff9020d2abefe558796b99584', 0, 'xtnd', 3, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:34.123456+00', '2025-06-27 04:59:34.123456+00', 'xtnd.offers', 0, 21, '2025-06-27 05:53:20.123477+00'),
	('26657d5ff9020d2abefe558796b99584:1', '26657d5ff9020d2abefe558796b99584', 1, 'xtnd', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:23.123456+00', '2025-06-27 05:05:23.123456+00', 'xtnd.orders', 0, 46, '2025-06-27 05:53:20.123502+00'),
	('e2ef524fbf3d9fe611d5a8e90fefdc9c:0', 'e2ef524fbf3d9fe611d5a8e90fefdc9c', 0, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:34.123456+00', '2025-06-27 05:04:34.123456+00', 'xtnd.products', 1, 14, '2025-06-27 05:53:20.12347+00'),
	('Own_195-x:1', 'Own_195-x', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'P2|1', '[{"Warehouse": "1", "ProductNumber": "P2", "AvailableBalance": "1 200,5"}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:31.123456+00', '2025-06-27 05:04:31.123456+00', 'xtnd.balances', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('ed3d2c21991e3bef5e069713af9fa6ca:0', 'ed3d2c21991e3bef5e069713af9fa6ca', 0, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'Ö|ß|1', '[{"Warehouse": "1", "ProductNumber": "Ö|ß", "AvailableBalance": "5 324"}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:37.123456+00', '2025-06-27 05:05:37.123456+00', 'xtnd.balances', 1, 10, '2025-06-27 05:53:20.123466+00'),
	('ed3d2c21991e3bef5e069713af9fa6ca:1', 'ed3d2c21991e3bef5e069713af9fa6ca', 1, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:06.123456+00', '2025-06-27 05:04:06.123456+00', 'xtnd.customers', 1, 6, '2025-06-27 05:53:20.123462+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:0', 'ac627ab1ccbdb62ec96e702f07f6425b', 0, 'second', 1, 'purchases', 'PurchasePartiallyDelivered', '8685', '[{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 1, "Quantity": "5 324", "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": "5 324", "Warehouse": "2", "OrderNumber": "8685", "ProductNumber": "P1"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:02.123456+00', '2025-06-27 05:04:02.123456+00', 'xtnd.purchases', 0, 43, '2025-06-27 05:53:20.123499+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:1', 'ac627ab1ccbdb62ec96e702f07f6425b', 1, 'xtnd', 3, 'balances', 'AvailableBalanceChanged', 'P2|1', '{"Warehouse": "1", "ProductNumber": "P2", "AvailableBalance": 0}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:02.123456+00', '2025-06-27 04:59:02.123456+00', 'xtnd.balances', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('Own_200-x:0', 'Own_200-x', 0, 'xtnd', 1, 'products', 'ProductChanged', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:19.123456+00', '2025-06-27 05:05:19.123456+00', 'xtnd.products', 0, 6, '2025-06-27 05:53:20.123462+00'),
	('f899139df5e1059396431415e770c6dd:1', 'f899139df5e1059396431415e770c6dd', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:50.123456+00', '2025-06-27 05:05:50.123456+00', 'xtnd.offers', 0, 22, '2025-06-27 05:53:20.123478+00'),
	('38b3eff8baf56627478ec76a704e9b52:1', '38b3eff8baf56627478ec76a704e9b52', 1, 'xtnd', 3, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:33.123456+00', '2025-06-27 04:59:33.123456+00', 'xtnd.orders', 0, 47, '2025-06-27 05:53:20.123503+00'),
	('ec8956637a99787bd197eacd77acce5e:0', 'ec8956637a99787bd197eacd77acce5e', 0, 'xtnd', 1, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:18.123456+00', '2025-06-27 05:04:18.123456+00', 'xtnd.customers', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('Own_205-x:1', 'Own_205-x', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:02.123456+00', '2025-06-27 05:05:02.123456+00', 'xtnd.offers', 0, 23, '2025-06-27 05:53:20.123479+00'),
	('6974ce5ac660610b44d9b9fed0ff9548:0', '6974ce5ac660610b44d9b9fed0ff9548', 0, 'xtnd', 1, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:11.123456+00', '2025-06-27 05:06:11.123456+00', 'xtnd.customers', 0, 14, '2025-06-27 05:53:20.12347+00');
INSERT INTO public.notifications VALUES
	('6974ce5ac660610b44d9b9fed0ff9548:1', '6974ce5ac660610b44d9b9fed0ff9548', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": 2.5, "Warehouse": "N", "OrderNumber": "Ä-1", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:04:59.123456+00', '2025-06-27 05:04:59.123456+00', 'xtnd.purchases', 0, 44, '2025-06-27 05:53:20.1235+00'),
	('c9e1074f5b3f9fc8ea15d152add07294:0', 'c9e1074f5b3f9fc8ea15d152add07294', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'P1|2', '{"Balance": 100000000000000000000, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "2", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:00.123456+00', '2025-06-27 05:05:00.123456+00', 'xtnd.balances', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('c9e1074f5b3f9fc8ea15d152add07294:1', 'c9e1074f5b3f9fc8ea15d152add07294', 1, 'second', 1, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:05.123456+00', '2025-06-27 05:06:05.123456+00', 'xtnd.customers', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('Own_210-x:0', 'Own_210-x', 0, 'xtnd', 3, 'customers', 'CustomerChanged', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:07.123456+00', '2025-06-27 05:00:07.123456+00', 'xtnd.customers', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('65b9eea6e1cc6bb9f0cd2a47751a186f:1', '65b9eea6e1cc6bb9f0cd2a47751a186f', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8685', '[{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "N", "OrderNumber": "8685", "ProductNumber": null}, {"Unit": "ST", "Position": 1, "Quantity": 7, "Warehouse": "N", "OrderNumber": "8685", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 2, "Quantity": 7, "Warehouse": "N", "OrderNumber": "8685", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:09.123456+00', '2025-06-27 05:06:09.123456+00', 'xtnd.purchases', 0, 45, '2025-06-27 05:53:20.123501+00'),
	('f0935e4cd5920aa6c7c996a5ee53a70f:0', 'f0935e4cd5920aa6c7c996a5ee53a70f', 0, 'xtnd', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:30.123456+00', '2025-06-27 05:06:30.123456+00', 'xtnd.products', 1, 15, '2025-06-27 05:53:20.123471+00'),
	('a97da629b098b75c294dffdc3e463904:0', 'a97da629b098b75c294dffdc3e463904', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:42.123456+00', '2025-06-27 05:06:42.123456+00', 'xtnd.products', 0, 7, '2025-06-27 05:53:20.123463+00'),
	('Own_215-x:1', 'Own_215-x', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "N", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:38.123456+00', '2025-06-27 05:05:38.123456+00', 'xtnd.purchases', 0, 46, '2025-06-27 05:53:20.123502+00'),
	('a3c65c2974270fd093ee8a9bf8ae7d0b:0', 'a3c65c2974270fd093ee8a9bf8ae7d0b', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:33.123456+00', '2025-06-27 05:06:33.123456+00', 'xtnd.unrouted', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('a3c65c2974270fd093ee8a9bf8ae7d0b:1', 'a3c65c2974270fd093ee8a9bf8ae7d0b', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": "1 200,5", "Warehouse": "1", "OrderNumber": "8685", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:05.123456+00', '2025-06-27 05:05:05.123456+00', 'xtnd.purchases', 0, 47, '2025-06-27 05:53:20.123503+00'),
	('2723d092b63885e0d7c260cc007e8b9d:0', '2723d092b63885e0d7c260cc007e8b9d', 0, 'xtnd', 3, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:32.123456+00', '2025-06-27 05:01:32.123456+00', 'xtnd.invoices', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('2723d092b63885e0d7c260cc007e8b9d:1', '2723d092b63885e0d7c260cc007e8b9d', 1, 'xtnd', 1, 'products', 'ProductChanged', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:50.123456+00', '2025-06-27 05:05:50.123456+00', 'xtnd.products', 0, 8, '2025-06-27 05:53:20.123464+00'),
	('Own_220-x:0', 'Own_220-x', 0, 'second', 1, 'orders', 'OrderCancelled', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:35.123456+00', '2025-06-27 05:05:35.123456+00', 'xtnd.orders', 0, 48, '2025-06-27 05:53:20.123504+00'),
	('5f93f983524def3dca464469d2cf9f3e:1', '5f93f983524def3dca464469d2cf9f3e', 1, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:13.123456+00', '2025-06-27 05:06:13.123456+00', 'xtnd.unrouted', 0, 10, '2025-06-27 05:53:20.123466+00'),
	('698d51a19d8a121ce581499d7b701668:0', '698d51a19d8a121ce581499d7b701668', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:38.123456+00', '2025-06-27 05:05:38.123456+00', 'xtnd.invoices', 0, 17, '2025-06-27 05:53:20.123473+00'),
	('698d51a19d8a121ce581499d7b701668:1', '698d51a19d8a121ce581499d7b701668', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:04.123456+00', '2025-06-27 05:07:04.123456+00', 'xtnd.offers', 0, 24, '2025-06-27 05:53:20.12348+00'),
	('7f6ffaa6bb0b408017b62254211691b5:0', '7f6ffaa6bb0b408017b62254211691b5', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:11.123456+00', '2025-06-27 05:07:11.123456+00', 'xtnd.orders', 0, 49, '2025-06-27 05:53:20.123505+00'),
	('73278a4a86960eeb576a8fd4c9ec6997:0', '73278a4a86960eeb576a8fd4c9ec6997', 0, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:12.123456+00', '2025-06-27 05:07:12.123456+00', 'xtnd.offers', 0, 25, '2025-06-27 05:53:20.123481+00'),
	('73278a4a86960eeb576a8fd4c9ec6997:1', '73278a4a86960eeb576a8fd4c9ec6997', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:18.123456+00', '2025-06-27 05:06:18.123456+00', 'xtnd.offers', 0, 26, '2025-06-27 05:53:20.123482+00'),
	('5fd0b37cd7dbbb00f97ba6ce92bf5add:0', '5fd0b37cd7dbbb00f97ba6ce92bf5add', 0, 'xtnd', 1, 'orders', 'OrderReserved', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:40.123456+00', '2025-06-27 05:05:40.123456+00', 'xtnd.orders', 0, 50, '2025-06-27 05:53:20.123506+00'),
	('5fd0b37cd7dbbb00f97ba6ce92bf5add:1', '5fd0b37cd7dbbb00f97ba6ce92bf5add', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": null, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:42.123456+00', '2025-06-27 05:05:42.123456+00', 'xtnd.purchases', 0, 48, '2025-06-27 05:53:20.123504+00'),
	('Own_230-x:0', 'Own_230-x', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:56.123456+00', '2025-06-27 05:06:56.123456+00', 'xtnd.invoices', 0, 19, '2025-06-27 05:53:20.123475+00'),
	('2b44928ae11fb9384c4cf38708677c48:1', '2b44928ae11fb9384c4cf38708677c48', 1, 'second', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:19.123456+00', '2025-06-27 05:06:19.123456+00', 'xtnd.invoices', 0, 20, '2025-06-27 05:53:20.123476+00'),
	('c45147dee729311ef5b5c3003946c48f:0', 'c45147dee729311ef5b5c3003946c48f', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:26.123456+00', '2025-06-27 05:06:26.123456+00', 'xtnd.customers', 0, 18, '2025-06-27 05:53:20.123474+00'),
	('eb160de1de89d9058fcb0b968dbbbd68:0', 'eb160de1de89d9058fcb0b968dbbbd68', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:53.123456+00', '2025-06-27 05:07:53.123456+00', 'xtnd.offers', 0, 28, '2025-06-27 05:53:20.123484+00'),
	('5ef059938ba799aaa845e1c2e8a762bd:0', '5ef059938ba799aaa845e1c2e8a762bd', 0, 'xtnd', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:30.123456+00', '2025-06-27 05:06:30.123456+00', 'xtnd.products', 1, 16, '2025-06-27 05:53:20.123472+00'),
	('5ef059938ba799aaa845e1c2e8a762bd:1', '5ef059938ba799aaa845e1c2e8a762bd', 1, 'xtnd', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:24.123456+00', '2025-06-27 05:06:24.123456+00', 'xtnd.products', 1, 17, '2025-06-27 05:53:20.123473+00'),
	('07e1cd7dca89a1678042477183b7ac3f:0', '07e1cd7dca89a1678042477183b7ac3f', 0, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:21.123456+00', '2025-06-27 05:07:21.123456+00', 'xtnd.offers', 0, 29, '2025-06-27 05:53:20.123485+00'),
	('07e1cd7dca89a1678042477183b7ac3f:1', '07e1cd7dca89a1678042477183b7ac3f', 1, 'xtnd', 1, 'orders', 'OrderCreated', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:18.123456+00', '2025-06-27 05:07:18.123456+00', 'xtnd.orders', 0, 51, '2025-06-27 05:53:20.123507+00'),
	('da4fb5c6e93e74d3df8527599fa62642:1', 'da4fb5c6e93e74d3df8527599fa62642', 1, 'xtnd', 1, 'products', 'ProductChanged', 'Ö|ß', '{"ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:46.123456+00', '2025-06-27 05:06:46.123456+00', 'xtnd.products', 1, 18, '2025-06-27 05:53:20.123474+00'),
	('4c56ff4ce4aaf9573aa5dff913df997a:0', '4c56ff4ce4aaf9573aa5dff913df997a', 0, 'second', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:36.123456+00', '2025-06-27 05:06:36.123456+00', 'xtnd.orders', 0, 52, '2025-06-27 05:53:20.123508+00'),
	('Own_225-x:1', 'Own_225-x', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:06.123456+00', '2025-06-27 05:06:06.123456+00', 'xtnd.invoices', 0, 25, '2025-06-27 05:53:20.123481+00'),
	('Own_235-x:1', 'Own_235-x', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', '007|2', '{"Warehouse": "2", "ProductNumber": "007", "AvailableBalance": 7}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:39.123456+00', '2025-06-27 05:05:39.123456+00', 'xtnd.balances', 1, 19, '2025-06-27 05:53:20.123475+00'),
	('Own_240-x:0', 'Own_240-x', 0, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', 'P1|N', '{"Warehouse": "N", "ProductNumber": "P1", "AvailableBalance": 0}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:10.123456+00', '2025-06-27 05:07:10.123456+00', 'xtnd.balances', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('4c56ff4ce4aaf9573aa5dff913df997a:1', '4c56ff4ce4aaf9573aa5dff913df997a', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:30.123456+00', '2025-06-27 05:07:30.123456+00', 'xtnd.purchases', 0, 49, '2025-06-27 05:53:20.123505+00'),
	('a0a080f42e6f13b3a2df133f073095dd:0', 'a0a080f42e6f13b3a2df133f073095dd', 0, 'xtnd', 2, 'balances', 'AvailableBalanceChanged', '007|N', '{"Warehouse": "N", "ProductNumber": "007", "AvailableBalance": 0}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:52.123456+00', '2025-06-27 05:05:52.123456+00', 'xtnd.balances', 1, 12, '2025-06-27 05:53:20.123468+00'),
	('202cb962ac59075b964b07152d234b70:0', '202cb962ac59075b964b07152d234b70', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'P1|2', '{"Balance": -3, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "2", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:37.123456+00', '2025-06-27 05:08:37.123456+00', 'xtnd.balances', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('202cb962ac59075b964b07152d234b70:1', '202cb962ac59075b964b07152d234b70', 1, 'xtnd', 1, 'orders', 'OrderCancelled', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:51.123456+00', '2025-06-27 05:06:51.123456+00', 'xtnd.orders', 0, 53, '2025-06-27 05:53:20.123509+00'),
	('c8ffe9a587b126f152ed3d89a146b445:0', 'c8ffe9a587b126f152ed3d89a146b445', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:00.123456+00', '2025-06-27 05:07:00.123456+00', 'xtnd.unrouted', 0, 11, '2025-06-27 05:53:20.123467+00'),
	('c8ffe9a587b126f152ed3d89a146b445:1', 'c8ffe9a587b126f152ed3d89a146b445', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8684', '{"Unit": "ST", "Position": 0, "Quantity": 0, "Warehouse": "2", "OrderNumber": "8684", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:09.123456+00', '2025-06-27 05:07:09.123456+00', 'xtnd.purchases', 0, 50, '2025-06-27 05:53:20.123506+00'),
	('3def184ad8f4755ff269862ea77393dd:1', '3def184ad8f4755ff269862ea77393dd', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:19.123456+00', '2025-06-27 05:07:19.123456+00', 'xtnd.offers', 0, 31, '2025-06-27 05:53:20.123487+00'),
	('069059b7ef840f0c74a814ec9237b6ec:0', '069059b7ef840f0c74a814ec9237b6ec', 0, 'xtnd', 1, 'orders', 'OrderCancelled', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:45.123456+00', '2025-06-27 05:08:45.123456+00', 'xtnd.orders', 0, 54, '2025-06-27 05:53:20.12351+00'),
	('069059b7ef840f0c74a814ec9237b6ec:1', '069059b7ef840f0c74a814ec9237b6ec', 1, 'second', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:37.123456+00', '2025-06-27 05:08:37.123456+00', 'xtnd.orders', 0, 55, '2025-06-27 05:53:20.123511+00'),
	('ec5decca5ed3d6b8079e2e7e7bacc9f2:0', 'ec5decca5ed3d6b8079e2e7e7bacc9f2', 0, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:48.123456+00', '2025-06-27 05:07:48.123456+00', 'xtnd.orders', 0, 56, '2025-06-27 05:53:20.123512+00'),
	('Own_255-x:1', 'Own_255-x', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '[{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 1, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 2, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P1"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:25.123456+00', '2025-06-27 05:07:25.123456+00', 'xtnd.purchases', 0, 51, '2025-06-27 05:53:20.123507+00'),
	('76dc611d6ebaafc66cc0879c71b5db5c:0', '76dc611d6ebaafc66cc0879c71b5db5c', 0, 'xtnd', 3, 'purchases', 'PurchaseDelivered', '8684', '[{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 1, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 2, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:55.123456+00', '2025-06-27 05:03:55.123456+00', 'xtnd.purchases', 0, 52, '2025-06-27 05:53:20.123508+00'),
	('76dc611d6ebaafc66cc0879c71b5db5c:1', '76dc611d6ebaafc66cc0879c71b5db5c', 1, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:23.123456+00', '2025-06-27 05:07:23.123456+00', 'xtnd.offers', 0, 32, '2025-06-27 05:53:20.123488+00'),
	('d1f491a404d6854880943e5c3cd9ca25:0', 'd1f491a404d6854880943e5c3cd9ca25', 0, 'xtnd', 1, 'orders', 'OrderCreated', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:41.123456+00', '2025-06-27 05:07:41.123456+00', 'xtnd.orders', 0, 57, '2025-06-27 05:53:20.123513+00'),
	('d1f491a404d6854880943e5c3cd9ca25:1', 'd1f491a404d6854880943e5c3cd9ca25', 1, 'xtnd', 1, 'orders', 'OrderReserved', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:59.123456+00', '2025-06-27 05:07:59.123456+00', 'xtnd.orders', 0, 58, '2025-06-27 05:53:20.123514+00'),
	('Own_260-x:0', 'Own_260-x', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8684', '{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:52.123456+00', '2025-06-27 05:08:52.123456+00', 'xtnd.purchases', 0, 53, '2025-06-27 05:53:20.123509+00'),
	('9b8619251a19057cff70779273e95aa6:1', '9b8619251a19057cff70779273e95aa6', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8684', '[{"Unit": "ST", "Position": 0, "Quantity": "-12.5", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 1, "Quantity": "-12.5", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": "-12.5", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:18.123456+00', '2025-06-27 05:08:18.123456+00', 'xtnd.purchases', 0, 54, '2025-06-27 05:53:20.12351+00'),
	('1afa34a7f984eeabdbb0a7d494132ee5:0', '1afa34a7f984eeabdbb0a7d494132ee5', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:59.123456+00', '2025-06-27 05:08:59.123456+00', 'xtnd.products', 0, 9, '2025-06-27 05:53:20.123465+00'),
	('1afa34a7f984eeabdbb0a7d494132ee5:1', '1afa34a7f984eeabdbb0a7d494132ee5', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "2", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:39.123456+00', '2025-06-27 05:08:39.123456+00', 'xtnd.purchases', 0, 55, '2025-06-27 05:53:20.123511+00'),
	('65ded5353c5ee48d0b7d48c591b8f430:0', '65ded5353c5ee48d0b7d48c591b8f430', 0, 'second', 1, 'purchases', 'PurchaseCreated', '8684', '{"Warehouse": "2", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:00.123456+00', '2025-06-27 05:08:00.123456+00', 'xtnd.purchases', 0, 56, '2025-06-27 05:53:20.123512+00'),
	('Own_265-x:1', 'Own_265-x', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": -3, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:40.123456+00', '2025-06-27 05:09:40.123456+00', 'xtnd.purchases', 0, 57, '2025-06-27 05:53:20.123513+00'),
	('9fc3d7152ba9336a670e36d0ed79bc43:0', '9fc3d7152ba9336a670e36d0ed79bc43', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:19.123456+00', '2025-06-27 05:08:19.123456+00', 'xtnd.unrouted', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('Own_250-x:0', 'Own_250-x', 0, 'xtnd', 1, 'offers', 'OfferCreated', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:07:06.123456+00', '2025-06-27 05:07:06.123456+00', 'xtnd.offers', 0, 38, '2025-06-27 05:53:20.123494+00'),
	('02522a2b2726fb0a03bb19f2d8d9524d:0', '02522a2b2726fb0a03bb19f2d8d9524d', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'P2|2', '{"Balance": null, "EventName": "ItemChangeST", "EventType": null, "Warehouse": "2", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:32.123456+00', '2025-06-27 05:09:32.123456+00', 'xtnd.balances', 0, 12, '2025-06-27 05:53:20.123468+00'),
	('02522a2b2726fb0a03bb19f2d8d9524d:1', '02522a2b2726fb0a03bb19f2d8d9524d', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:15.123456+00', '2025-06-27 05:09:15.123456+00', 'xtnd.offers', 0, 34, '2025-06-27 05:53:20.12349+00'),
	('Own_270-x:0', 'Own_270-x', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:54.123456+00', '2025-06-27 05:09:54.123456+00', 'xtnd.customers', 1, 8, '2025-06-27 05:53:20.123464+00'),
	('7f1de29e6da19d22b51c68001e7e0e54:1', '7f1de29e6da19d22b51c68001e7e0e54', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '[{"Unit": "ST", "Position": 0, "Quantity": 0, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": null}, {"Unit": "ST", "Position": 1, "Quantity": 0, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 2, "Quantity": 0, "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:46.123456+00', '2025-06-27 05:08:46.123456+00', 'xtnd.purchases', 0, 58, '2025-06-27 05:53:20.123514+00'),
	('42a0e188f5033bc65bf8d78622277c4e:0', '42a0e188f5033bc65bf8d78622277c4e', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:06.123456+00', '2025-06-27 05:09:06.123456+00', 'xtnd.customers', 1, 9, '2025-06-27 05:53:20.123465+00'),
	('42a0e188f5033bc65bf8d78622277c4e:1', '42a0e188f5033bc65bf8d78622277c4e', 1, 'xtnd', 2, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:30.123456+00', '2025-06-27 05:07:30.123456+00', 'xtnd.customers', 0, 19, '2025-06-27 05:53:20.123475+00'),
	('3988c7f88ebcb58c6ce932b957b6f332:0', '3988c7f88ebcb58c6ce932b957b6f332', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:06.123456+00', '2025-06-27 05:09:06.123456+00', 'xtnd.customers', 0, 20, '2025-06-27 05:53:20.123476+00'),
	('Own_275-x:1', 'Own_275-x', 1, 'second', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:16.123456+00', '2025-06-27 05:09:16.123456+00', 'xtnd.customers', 0, 21, '2025-06-27 05:53:20.123477+00'),
	('013d407166ec4fa56eb1e1f8cbe183b9:0', '013d407166ec4fa56eb1e1f8cbe183b9', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:11.123456+00', '2025-06-27 05:09:11.123456+00', 'xtnd.invoices', 0, 21, '2025-06-27 05:53:20.123477+00'),
	('013d407166ec4fa56eb1e1f8cbe183b9:1', '013d407166ec4fa56eb1e1f8cbe183b9', 1, 'xtnd', 1, 'orders', 'OrderDeliveryDataChanged', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:06.123456+00', '2025-06-27 05:10:06.123456+00', 'xtnd.orders', 0, 59, '2025-06-27 05:53:20.123515+00'),
	('e00da03b685a0dd18fb6a08af0923de0:0', 'e00da03b685a0dd18fb6a08af0923de0', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:37.123456+00', '2025-06-27 05:08:37.123456+00', 'xtnd.customers', 0, 22, '2025-06-27 05:53:20.123478+00'),
	('e00da03b685a0dd18fb6a08af0923de0:1', 'e00da03b685a0dd18fb6a08af0923de0', 1, 'xtnd', 1, 'orders', 'OrderReserved', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:59.123456+00', '2025-06-27 05:08:59.123456+00', 'xtnd.orders', 0, 60, '2025-06-27 05:53:20.123516+00'),
	('Own_280-x:0', 'Own_280-x', 0, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:08:53.123456+00', '2025-06-27 05:08:53.123456+00', 'xtnd.customers', 0, 23, '2025-06-27 05:53:20.123479+00'),
	('1385974ed5904a438616ff7bdb3f7439:1', '1385974ed5904a438616ff7bdb3f7439', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:21.123456+00', '2025-06-27 05:10:21.123456+00', 'xtnd.invoices', 0, 22, '2025-06-27 05:53:20.123478+00'),
	('0f28b5d49b3020afeecd95b4009adf4c:0', '0f28b5d49b3020afeecd95b4009adf4c', 0, 'xtnd', 1, 'balances', 'BalanceChanged', 'Ö|ß|2', '{"Balance": "0.000001", "EventName": "ItemChangeST", "EventType": "Delivery", "Warehouse": "2", "ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:42.123456+00', '2025-06-27 05:10:42.123456+00', 'xtnd.balances', 1, 13, '2025-06-27 05:53:20.123469+00'),
	('0f28b5d49b3020afeecd95b4009adf4c:1', '0f28b5d49b3020afeecd95b4009adf4c', 1, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:43.123456+00', '2025-06-27 05:10:43.123456+00', 'xtnd.orders', 0, 61, '2025-06-27 05:53:20.123517+00'),
	('a8baa56554f96369ab93e4f3bb068c22:0', 'a8baa56554f96369ab93e4f3bb068c22', 0, 'xtnd', 3, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:05.123456+00', '2025-06-27 05:05:05.123456+00', 'xtnd.unrouted', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('Own_285-x:1', 'Own_285-x', 1, 'xtnd', 1, 'products', 'ProductCreated', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:36.123456+00', '2025-06-27 05:09:36.123456+00', 'xtnd.products', 1, 19, '2025-06-27 05:53:20.123475+00'),
	('903ce9225fca3e988c2af215d4e544d3:1', '903ce9225fca3e988c2af215d4e544d3', 1, 'xtnd', 3, 'orders', 'OrderCancelled', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:31.123456+00', '2025-06-27 05:04:31.123456+00', 'xtnd.orders', 0, 62, '2025-06-27 05:53:20.123518+00'),
	('0a09c8844ba8f0936c20bd791130d6b6:0', '0a09c8844ba8f0936c20bd791130d6b6', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:46.123456+00', '2025-06-27 05:10:46.123456+00', 'xtnd.invoices', 0, 23, '2025-06-27 05:53:20.123479+00'),
	('0a09c8844ba8f0936c20bd791130d6b6:1', '0a09c8844ba8f0936c20bd791130d6b6', 1, 'xtnd', 1, 'balances', 'AvailableBalanceChanged', '007|N', '[{"Warehouse": "N", "ProductNumber": "007", "AvailableBalance": -3}, {"Warehouse": "1", "ProductNumber": "P9", "AvailableBalance": 4}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:04.123456+00', '2025-06-27 05:10:04.123456+00', 'xtnd.balances', 1, 14, '2025-06-27 05:53:20.12347+00'),
	('Own_290-x:0', 'Own_290-x', 0, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "2", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:13.123456+00', '2025-06-27 05:10:13.123456+00', 'xtnd.purchases', 0, 59, '2025-06-27 05:53:20.123515+00'),
	('2b24d495052a8ce66358eb576b8912c8:1', '2b24d495052a8ce66358eb576b8912c8', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', '8684', '{"Warehouse": "N", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:53.123456+00', '2025-06-27 05:09:53.123456+00', 'xtnd.purchases', 0, 60, '2025-06-27 05:53:20.123516+00'),
	('a5e00132373a7031000fd987a3c9f87b:0', 'a5e00132373a7031000fd987a3c9f87b', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:16.123456+00', '2025-06-27 05:11:16.123456+00', 'xtnd.unrouted', 0, 14, '2025-06-27 05:53:20.12347+00'),
	('a5e00132373a7031000fd987a3c9f87b:1', 'a5e00132373a7031000fd987a3c9f87b', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', '8685', '{"Warehouse": "1", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:49.123456+00', '2025-06-27 05:09:49.123456+00', 'xtnd.purchases', 0, 61, '2025-06-27 05:53:20.123517+00'),
	('8d5e957f297893487bd98fa830fa6413:0', '8d5e957f297893487bd98fa830fa6413', 0, 'xtnd', 1, 'orders', 'OrderCreated', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:49.123456+00', '2025-06-27 05:09:49.123456+00', 'xtnd.orders', 0, 63, '2025-06-27 05:53:20.123519+00'),
	('Own_295-x:1', 'Own_295-x', 1, 'xtnd', 2, 'purchases', 'PurchaseCancelled', '8685', '{"Warehouse": "2", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:09.123456+00', '2025-06-27 05:09:09.123456+00', 'xtnd.purchases', 0, 62, '2025-06-27 05:53:20.123518+00'),
	('47d1e990583c9c67424d369f3414728e:0', '47d1e990583c9c67424d369f3414728e', 0, 'xtnd', 1, 'orders', 'OrderReserved', '8684', '{"OrderType": "Web", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:09.123456+00', '2025-06-27 05:10:09.123456+00', 'xtnd.orders', 0, 64, '2025-06-27 05:53:20.12352+00'),
	('47d1e990583c9c67424d369f3414728e:1', '47d1e990583c9c67424d369f3414728e', 1, 'second', 1, 'balances', 'AvailableBalanceChanged', 'P2|2', '{"Warehouse": "2", "ProductNumber": "P2", "AvailableBalance": "-12.5"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:33.123456+00', '2025-06-27 05:11:33.123456+00', 'xtnd.balances', 0, 13, '2025-06-27 05:53:20.123469+00'),
	('f2217062e9a397a1dca429e7d70bc6ca:0', 'f2217062e9a397a1dca429e7d70bc6ca', 0, 'xtnd', 3, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:29.123456+00', '2025-06-27 05:05:29.123456+00', 'xtnd.offers', 0, 35, '2025-06-27 05:53:20.123491+00'),
	('f2217062e9a397a1dca429e7d70bc6ca:1', 'f2217062e9a397a1dca429e7d70bc6ca', 1, 'xtnd', 3, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '[{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P2"}, {"Unit": "ST", "Position": 1, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": 7, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P2"}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:48.123456+00', '2025-06-27 05:05:48.123456+00', 'xtnd.purchases', 0, 63, '2025-06-27 05:53:20.123519+00'),
	('Own_5-x:1', 'Own_5-x', 1, 'xtnd', 1, 'orders', 'PickingStarted', 'Ä-1', '{"Order": {"Row": {"Unit": {"Quantity": 100000000000000000000}, "Position": "20", "SubPosition": 0, "ProductNumber": "P1"}, "Warehouse": "2", "OrderNumber": "Ä-1"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:12.123456+00', '2025-06-27 04:53:12.123456+00', 'xtnd.orders', 0, 65, '2025-06-27 05:53:20.123521+00'),
	('a87ff679a2f3e71d9181a67b7542122c:1', 'a87ff679a2f3e71d9181a67b7542122c', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', '8684', '[{"Unit": "ST", "Position": 0, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": null}, {"Unit": "ST", "Position": 1, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": "P1"}, {"Unit": "ST", "Position": 2, "Quantity": "5 324", "Warehouse": "1", "OrderNumber": "8684", "ProductNumber": null}]', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:13.123456+00', '2025-06-27 04:53:13.123456+00', 'xtnd.purchases', 0, 65, '2025-06-27 05:53:20.123521+00'),
	('c51ce410c124a10e0db5e4b97fc2af39:1', 'c51ce410c124a10e0db5e4b97fc2af39', 1, 'xtnd', 1, 'orders', 'PickingStarted', '8685', '{"Order": {"Row": {"Unit": {"Quantity": -3}, "Position": "20", "SubPosition": 0, "ProductNumber": "P1"}, "Warehouse": "N", "OrderNumber": "8685"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:53:55.123456+00', '2025-06-27 04:53:55.123456+00', 'xtnd.orders', 0, 66, '2025-06-27 05:53:20.123522+00'),
	('Own_90-x:0', 'Own_90-x', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:38.123456+00', '2025-06-27 04:57:38.123456+00', 'xtnd.unrouted', 0, 15, '2025-06-27 05:53:20.123471+00'),
	('f457c545a9ded88f18ecee47145a72c0:0', 'f457c545a9ded88f18ecee47145a72c0', 0, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": -3, "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 04:57:19.123456+00', '2025-06-27 04:57:19.123456+00', 'xtnd.purchases', 0, 67, '2025-06-27 05:53:20.123523+00'),
	('ea5d2f1c4608232e07d3aa3d998e5135:1', 'ea5d2f1c4608232e07d3aa3d998e5135', 1, 'xtnd', 1, 'purchases', 'PurchaseCancelled', 'Ä-1', '{"Warehouse": "2", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:17.123456+00', '2025-06-27 05:00:17.123456+00', 'xtnd.purchases', 0, 69, '2025-06-27 05:53:20.123525+00'),
	('Own_145-x:1', 'Own_145-x', 1, 'xtnd', 1, 'orders', 'OrderCancelled', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:00:29.123456+00', '2025-06-27 05:00:29.123456+00', 'xtnd.orders', 0, 69, '2025-06-27 05:53:20.123525+00'),
	('68d30a9594728bc39aa24be94b319d21:0', '68d30a9594728bc39aa24be94b319d21', 0, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:01:42.123456+00', '2025-06-27 05:01:42.123456+00', 'xtnd.orders', 0, 72, '2025-06-27 05:53:20.123528+00'),
	('38b3eff8baf56627478ec76a704e9b52:0', '38b3eff8baf56627478ec76a704e9b52', 0, 'xtnd', 1, 'customers', 'CustomerChanged', '2', '{"CustomerNumber": 2}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:03:43.123456+00', '2025-06-27 05:03:43.123456+00', 'xtnd.customers', 1, 10, '2025-06-27 05:53:20.123466+00'),
	('c45147dee729311ef5b5c3003946c48f:1', 'c45147dee729311ef5b5c3003946c48f', 1, 'xtnd', 1, 'offers', 'OfferChanged', 'F1', '{"OfferNumber": "F1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:05:26.123456+00', '2025-06-27 05:05:26.123456+00', 'xtnd.offers', 0, 37, '2025-06-27 05:53:20.123493+00'),
	('Own_245-x:1', 'Own_245-x', 1, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:06:17.123456+00', '2025-06-27 05:06:17.123456+00', 'xtnd.unrouted', 1, 2, '2025-06-27 05:53:20.123458+00'),
	('903ce9225fca3e988c2af215d4e544d3:0', '903ce9225fca3e988c2af215d4e544d3', 0, 'second', 1, 'products', 'ProductChanged', 'P2', '{"ProductNumber": "P2"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:12.123456+00', '2025-06-27 05:09:12.123456+00', 'xtnd.products', 0, 16, '2025-06-27 05:53:20.123472+00');
INSERT INTO public.notifications VALUES
	('7ef605fc8dba5425d6965fbd4c8fbe1f:1', '7ef605fc8dba5425d6965fbd4c8fbe1f', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:25.123456+00', '2025-06-27 05:10:25.123456+00', 'xtnd.customers', 0, 30, '2025-06-27 05:53:20.123486+00'),
	('a8f15eda80c50adb0e71943adc8015cf:0', 'a8f15eda80c50adb0e71943adc8015cf', 0, 'xtnd', 1, 'orders', 'OrderCancelled', '8685', '{"OrderType": "NormalOrder", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:40.123456+00', '2025-06-27 05:10:40.123456+00', 'xtnd.orders', 0, 76, '2025-06-27 05:53:20.123532+00'),
	('1d7f7abc18fcb43975065399b0d1e48e:1', '1d7f7abc18fcb43975065399b0d1e48e', 1, 'xtnd', 1, 'purchases', 'PurchaseDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "1 200,5", "Warehouse": "2", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:09:50.123456+00', '2025-06-27 05:09:50.123456+00', 'xtnd.purchases', 0, 71, '2025-06-27 05:53:20.123527+00'),
	('Own_315-x:1', 'Own_315-x', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:35.123456+00', '2025-06-27 05:10:35.123456+00', 'xtnd.customers', 0, 31, '2025-06-27 05:53:20.123487+00'),
	('Own_300-x:0', 'Own_300-x', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:48.123456+00', '2025-06-27 05:11:48.123456+00', 'xtnd.invoices', 0, 27, '2025-06-27 05:53:20.123483+00'),
	('a8f15eda80c50adb0e71943adc8015cf:1', 'a8f15eda80c50adb0e71943adc8015cf', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:35.123456+00', '2025-06-27 05:11:35.123456+00', 'xtnd.customers', 0, 33, '2025-06-27 05:53:20.123489+00'),
	('37a749d808e46495a8da1e5352d03cae:0', '37a749d808e46495a8da1e5352d03cae', 0, 'xtnd', 1, 'products', 'ProductChanged', '007', '{"ProductNumber": "007"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:34.123456+00', '2025-06-27 05:11:34.123456+00', 'xtnd.products', 1, 22, '2025-06-27 05:53:20.123478+00'),
	('Own_305-x:1', 'Own_305-x', 1, 'xtnd', 1, 'products', 'ProductChanged', 'Ö|ß', '{"ProductNumber": "Ö|ß"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:40.123456+00', '2025-06-27 05:11:40.123456+00', 'xtnd.products', 1, 23, '2025-06-27 05:53:20.123479+00'),
	('b3e3e393c77e35a4a3f3cbd1e429b5dc:0', 'b3e3e393c77e35a4a3f3cbd1e429b5dc', 0, 'xtnd', 1, 'unrouted', 'StockTaken', NULL, '{"Of": [1, 2.5, "x"]}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:08.123456+00', '2025-06-27 05:12:08.123456+00', 'xtnd.unrouted', 0, 16, '2025-06-27 05:53:20.123472+00'),
	('b3e3e393c77e35a4a3f3cbd1e429b5dc:1', 'b3e3e393c77e35a4a3f3cbd1e429b5dc', 1, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:44.123456+00', '2025-06-27 05:10:44.123456+00', 'xtnd.products', 1, 24, '2025-06-27 05:53:20.12348+00'),
	('1d7f7abc18fcb43975065399b0d1e48e:0', '1d7f7abc18fcb43975065399b0d1e48e', 0, 'second', 1, 'orders', 'OrderDeliveryDataChanged', 'Ä-1', '{"OrderType": "Web", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:52.123456+00', '2025-06-27 05:10:52.123456+00', 'xtnd.orders', 0, 78, '2025-06-27 05:53:20.123534+00'),
	('Own_310-x:0', 'Own_310-x', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8684', '{"OrderType": "NormalOrder", "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:53.123456+00', '2025-06-27 05:10:53.123456+00', 'xtnd.orders', 0, 79, '2025-06-27 05:53:20.123535+00'),
	('2a79ea27c279e471f4d180b08d62b00a:1', '2a79ea27c279e471f4d180b08d62b00a', 1, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:10:33.123456+00', '2025-06-27 05:10:33.123456+00', 'xtnd.orders', 0, 80, '2025-06-27 05:53:20.123536+00'),
	('1c9ac0159c94d8d0cbedc973445af2da:0', '1c9ac0159c94d8d0cbedc973445af2da', 0, 'xtnd', 1, 'orders', 'OrderReserved', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:41.123456+00', '2025-06-27 05:11:41.123456+00', 'xtnd.orders', 0, 81, '2025-06-27 05:53:20.123537+00'),
	('1c9ac0159c94d8d0cbedc973445af2da:1', '1c9ac0159c94d8d0cbedc973445af2da', 1, 'xtnd', 1, 'customers', 'CustomerCreated', 'C1', '{"CustomerNumber": "C1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:20.123456+00', '2025-06-27 05:11:20.123456+00', 'xtnd.customers', 0, 34, '2025-06-27 05:53:20.12349+00'),
	('6c4b761a28b734fe93831e3fb400ce87:0', '6c4b761a28b734fe93831e3fb400ce87', 0, 'xtnd', 1, 'orders', 'OrderPicked', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:29.123456+00', '2025-06-27 05:12:29.123456+00', 'xtnd.orders', 0, 82, '2025-06-27 05:53:20.123538+00'),
	('06409663226af2f3114485aa4e0a23b4:0', '06409663226af2f3114485aa4e0a23b4', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:41.123456+00', '2025-06-27 05:11:41.123456+00', 'xtnd.invoices', 0, 28, '2025-06-27 05:53:20.123484+00'),
	('06409663226af2f3114485aa4e0a23b4:1', '06409663226af2f3114485aa4e0a23b4', 1, 'xtnd', 1, 'invoices', 'CustomerInvoiceChanged', '99', '{"InvoiceNumber": "99"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:01.123456+00', '2025-06-27 05:12:01.123456+00', 'xtnd.invoices', 0, 29, '2025-06-27 05:53:20.123485+00'),
	('140f6969d5213fd0ece03148e62e461e:0', '140f6969d5213fd0ece03148e62e461e', 0, 'xtnd', 1, 'orders', 'OrderCreated', 'Ä-1', '{"OrderType": null, "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:39.123456+00', '2025-06-27 05:11:39.123456+00', 'xtnd.orders', 0, 83, '2025-06-27 05:53:20.123539+00'),
	('140f6969d5213fd0ece03148e62e461e:1', '140f6969d5213fd0ece03148e62e461e', 1, 'second', 1, 'orders', 'OrderReserved', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:11.123456+00', '2025-06-27 05:11:11.123456+00', 'xtnd.orders', 0, 84, '2025-06-27 05:53:20.12354+00'),
	('Own_320-x:0', 'Own_320-x', 0, 'xtnd', 1, 'products', 'PriceListWebHook', 'B2B "100 %" \ ;', '{"PriceListName": "B2B \"100 %\" \\ ;"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:13.123456+00', '2025-06-27 05:12:13.123456+00', 'xtnd.products', 1, 25, '2025-06-27 05:53:20.123481+00'),
	('b73ce398c39f506af761d2277d853a92:1', 'b73ce398c39f506af761d2277d853a92', 1, 'xtnd', 1, 'purchases', 'PurchaseCreated', 'Ä-1', '{"Warehouse": "N", "OrderNumber": "Ä-1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:05.123456+00', '2025-06-27 05:12:05.123456+00', 'xtnd.purchases', 0, 73, '2025-06-27 05:53:20.123529+00'),
	('bd4c9ab730f5513206b999ec0d90d1fb:0', 'bd4c9ab730f5513206b999ec0d90d1fb', 0, 'xtnd', 1, 'orders', 'OrderReserved', '8685', '{"OrderType": "Web", "OrderNumber": "8685"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:11:33.123456+00', '2025-06-27 05:11:33.123456+00', 'xtnd.orders', 0, 85, '2025-06-27 05:53:20.123541+00'),
	('bd4c9ab730f5513206b999ec0d90d1fb:1', 'bd4c9ab730f5513206b999ec0d90d1fb', 1, 'xtnd', 1, 'orders', 'PickingStarted', '8684', '{"Order": {"Row": {"Unit": {"Quantity": 100000000000000000000}, "Position": "20", "SubPosition": 0, "ProductNumber": "Ö|ß"}, "Warehouse": "N", "OrderNumber": "8684"}}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:31.123456+00', '2025-06-27 05:12:31.123456+00', 'xtnd.orders', 0, 86, '2025-06-27 05:53:20.123542+00'),
	('82aa4b0af34c2313a562076992e50aa3:0', '82aa4b0af34c2313a562076992e50aa3', 0, 'xtnd', 1, 'products', 'ProductCreated', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:07.123456+00', '2025-06-27 05:12:07.123456+00', 'xtnd.products', 0, 17, '2025-06-27 05:53:20.123473+00'),
	('Own_325-x:1', 'Own_325-x', 1, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', '8685', '{"Unit": "ST", "Position": 0, "Quantity": 7, "Warehouse": "1", "OrderNumber": "8685", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:12.123456+00', '2025-06-27 05:12:12.123456+00', 'xtnd.purchases', 0, 74, '2025-06-27 05:53:20.12353+00'),
	('0777d5c17d4066b82ab86dff8a46af6f:0', '0777d5c17d4066b82ab86dff8a46af6f', 0, 'xtnd', 1, 'purchases', 'PurchasePartiallyDelivered', 'Ä-1', '{"Unit": "ST", "Position": 0, "Quantity": "-12.5", "Warehouse": "1", "OrderNumber": "Ä-1", "ProductNumber": null}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:14.123456+00', '2025-06-27 05:12:14.123456+00', 'xtnd.purchases', 0, 75, '2025-06-27 05:53:20.123531+00'),
	('0777d5c17d4066b82ab86dff8a46af6f:1', '0777d5c17d4066b82ab86dff8a46af6f', 1, 'xtnd', 1, 'orders', 'OrderCancelled', '8684', '{"OrderType": null, "OrderNumber": "8684"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:13:18.123456+00', '2025-06-27 05:13:18.123456+00', 'xtnd.orders', 0, 87, '2025-06-27 05:53:20.123543+00'),
	('fa7cdfad1a5aaf8370ebeda47a1ff1c3:0', 'fa7cdfad1a5aaf8370ebeda47a1ff1c3', 0, 'xtnd', 1, 'invoices', 'CustomerInvoiceCreated', '99', '{"InvoiceNumber": 99}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:11.123456+00', '2025-06-27 05:12:11.123456+00', 'xtnd.invoices', 0, 30, '2025-06-27 05:53:20.123486+00'),
	('fa7cdfad1a5aaf8370ebeda47a1ff1c3:1', 'fa7cdfad1a5aaf8370ebeda47a1ff1c3', 1, 'xtnd', 1, 'products', 'ProductCreated', 'P1', '{"ProductNumber": "P1"}', '{"Ö": "%", "NotificationId": "n"}', '2025-06-27 05:12:33.123456+00', '2025-06-27 05:12:33.123456+00', 'xtnd.products', 0, 18, '2025-06-27 05:53:20.123474+00');


--
-- Data for Name: offers; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.offers VALUES
	('F1', '2025-06-27 04:54:12.123456+00', '2025-06-27 05:09:15.123456+00', 17, '2025-06-27 04:54:12.123456+00', '2025-06-27 05:09:15.123456+00', 'OfferChanged', '02522a2b2726fb0a03bb19f2d8d9524d:1', 36, '1751000955123456 02522a2b2726fb0a03bb19f2d8d9524d 000001');


--
-- Data for Name: order_picking_rows; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.order_picking_rows VALUES
	('8685', '10', '0', '007', -12.5, '2', '2025-06-27 05:03:02.123456+00', '2025-06-27 05:03:02.123456+00', '2025-06-27 05:03:39.123456+00', 'PickingStarted', '43ec517d68b6edd3015b3edc9a11367b:0', 2, '1751000619123456 43ec517d68b6edd3015b3edc9a11367b 000000', '1751000619123456 43ec517d68b6edd3015b3edc9a11367b 000000', '1751000582123456 8613985ec49eb8f757ae6439e879bb2a 000001', '1751000619123456 43ec517d68b6edd3015b3edc9a11367b 000000'),
	('8684', '10', '0', 'P1', 0, 'N', '2025-06-27 05:04:26.123456+00', '2025-06-27 05:04:26.123456+00', '2025-06-27 05:04:26.123456+00', 'PickingStarted', '92cc227532d17e56e07902b254dfad10:0', 1, '1751000666123456 92cc227532d17e56e07902b254dfad10 000000', '1751000666123456 92cc227532d17e56e07902b254dfad10 000000', '1751000666123456 92cc227532d17e56e07902b254dfad10 000000', '1751000666123456 92cc227532d17e56e07902b254dfad10 000000'),
	('Ä-1', '20', '0', 'P2', 0, '2', '2025-06-27 04:53:12.123456+00', '2025-06-27 04:53:12.123456+00', '2025-06-27 04:59:43.123456+00', 'PickingStarted', '2838023a778dfaecdc212708f721b788:1', 2, '1751000383123456 2838023a778dfaecdc212708f721b788 000001', '1751000383123456 2838023a778dfaecdc212708f721b788 000001', '1751000383123456 2838023a778dfaecdc212708f721b788 000001', '1751000383123456 2838023a778dfaecdc212708f721b788 000001'),
	('8685', '20', '0', 'P1', -12.5, '1', '2025-06-27 04:53:55.123456+00', '2025-06-27 04:53:55.123456+00', '2025-06-27 05:03:03.123456+00', 'PickingStarted', '7647966b7343c29048673252e490f736:1', 2, '1751000583123456 7647966b7343c29048673252e490f736 000001', '1751000583123456 7647966b7343c29048673252e490f736 000001', '1751000583123456 7647966b7343c29048673252e490f736 000001', '1751000583123456 7647966b7343c29048673252e490f736 000001'),
	('8684', '20', '0', 'Ö|ß', 100000000000000000000, 'N', '2025-06-27 05:12:31.123456+00', '2025-06-27 05:12:31.123456+00', '2025-06-27 05:12:31.123456+00', 'PickingStarted', 'bd4c9ab730f5513206b999ec0d90d1fb:1', 1, '1751001151123456 bd4c9ab730f5513206b999ec0d90d1fb 000001', '1751001151123456 bd4c9ab730f5513206b999ec0d90d1fb 000001', '1751001151123456 bd4c9ab730f5513206b999ec0d90d1fb 000001', '1751001151123456 bd4c9ab730f5513206b999ec0d90d1fb 000001');


--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.orders VALUES
	('Ä-1', 'Web', 'created', '2', '2025-06-27 04:58:14.123456+00', '2025-06-27 04:55:04.123456+00', '2025-06-27 05:07:59.123456+00', 3, '2025-06-27 04:53:12.123456+00', '2025-06-27 04:53:26.123456+00', '2025-06-27 05:02:06.123456+00', 4, '2025-06-27 05:10:52.123456+00', 4, '2025-06-27 04:55:28.123456+00', '2025-06-27 04:53:12.123456+00', '2025-06-27 05:11:39.123456+00', 'OrderCreated', '140f6969d5213fd0ece03148e62e461e:0', 24, '1751001099123456 140f6969d5213fd0ece03148e62e461e 000000', '1751001052123456 1d7f7abc18fcb43975065399b0d1e48e 000000', '1751001099123456 140f6969d5213fd0ece03148e62e461e 000000', '1751000383123456 2838023a778dfaecdc212708f721b788 000001'),
	('8685', 'Web', 'picked', '2', '2025-06-27 04:53:55.123456+00', '2025-06-27 04:51:48.123456+00', '2025-06-27 05:11:33.123456+00', 3, '2025-06-27 04:53:55.123456+00', '2025-06-27 04:54:29.123456+00', '2025-06-27 05:12:29.123456+00', 11, '2025-06-27 05:10:06.123456+00', 4, '2025-06-27 05:01:13.123456+00', '2025-06-27 04:51:48.123456+00', '2025-06-27 05:12:29.123456+00', 'OrderPicked', '6c4b761a28b734fe93831e3fb400ce87:0', 29, '1751001149123456 6c4b761a28b734fe93831e3fb400ce87 000000', '1751001149123456 6c4b761a28b734fe93831e3fb400ce87 000000', '1751001149123456 6c4b761a28b734fe93831e3fb400ce87 000000', '1751000619123456 43ec517d68b6edd3015b3edc9a11367b 000000'),
	('8684', 'NormalOrder', 'cancelled', 'N', '2025-06-27 04:48:57.123456+00', '2025-06-27 04:54:00.123456+00', '2025-06-27 05:11:41.123456+00', 5, '2025-06-27 05:04:26.123456+00', '2025-06-27 04:58:23.123456+00', '2025-06-27 05:10:53.123456+00', 7, '2025-06-27 04:54:38.123456+00', 1, '2025-06-27 04:52:03.123456+00', '2025-06-27 04:48:57.123456+00', '2025-06-27 05:13:18.123456+00', 'OrderCancelled', '0777d5c17d4066b82ab86dff8a46af6f:1', 23, '1751001198123456 0777d5c17d4066b82ab86dff8a46af6f 000001', '1751001053123456 Own_310-x 000000', '1751001198123456 0777d5c17d4066b82ab86dff8a46af6f 000001', '1751001151123456 bd4c9ab730f5513206b999ec0d90d1fb 000001');


--
-- Data for Name: price_lists; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.price_lists VALUES
	('B2B "100 %" \ ;', '2025-06-27 05:12:13.123456+00', 8, '2025-06-27 04:53:46.123456+00', '2025-06-27 05:12:13.123456+00', 'PriceListWebHook', 'Own_320-x:0', 8, '1751001133123456 Own_320-x 000000');


--
-- Data for Name: products; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.products VALUES
	('P2', '2025-06-27 04:53:52.123456+00', '2025-06-27 05:09:12.123456+00', 3, '2025-06-27 04:50:33.123456+00', '2025-06-27 05:09:12.123456+00', 'ProductChanged', '903ce9225fca3e988c2af215d4e544d3:0', 7, '1751000952123456 903ce9225fca3e988c2af215d4e544d3 000000'),
	('007', '2025-06-27 04:56:21.123456+00', '2025-06-27 05:11:34.123456+00', 7, '2025-06-27 04:53:04.123456+00', '2025-06-27 05:11:34.123456+00', 'ProductChanged', '37a749d808e46495a8da1e5352d03cae:0', 11, '1751001094123456 37a749d808e46495a8da1e5352d03cae 000000'),
	('Ö|ß', '2025-06-27 05:00:55.123456+00', '2025-06-27 05:11:40.123456+00', 3, '2025-06-27 05:00:07.123456+00', '2025-06-27 05:11:40.123456+00', 'ProductChanged', 'Own_305-x:1', 5, '1751001100123456 Own_305-x 000001'),
	('P1', '2025-06-27 04:58:48.123456+00', '2025-06-27 05:05:19.123456+00', 1, '2025-06-27 04:58:48.123456+00', '2025-06-27 05:12:33.123456+00', 'ProductCreated', 'fa7cdfad1a5aaf8370ebeda47a1ff1c3:1', 6, '1751001153123456 fa7cdfad1a5aaf8370ebeda47a1ff1c3 000001');


--
-- Data for Name: purchase_delivery_rows; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.purchase_delivery_rows VALUES
	('a87ff679a2f3e71d9181a67b7542122c:0', 0, '8684', '1', '0', 'P1', 5324, 'ST', '2025-06-27 04:53:31.123456+00'),
	('a87ff679a2f3e71d9181a67b7542122c:0', 2, '8684', '1', '2', 'P2', 5324, 'ST', '2025-06-27 04:53:31.123456+00'),
	('33e75ff09dd601bbe69f351039152189:0', 0, '8684', '2', '0', 'P1', 5324, 'ST', '2025-06-27 04:56:01.123456+00'),
	('33e75ff09dd601bbe69f351039152189:1', 0, 'Ä-1', 'N', '0', 'P2', 0.000001, 'ST', '2025-06-27 04:56:29.123456+00'),
	('a5bfc9e07964f8dddeb95fc584cd965d:0', 0, 'Ä-1', 'N', '0', 'P2', -3, 'ST', '2025-06-27 04:58:04.123456+00'),
	('17e62166fc8586dfa4d1bc0e1742c08b:1', 0, 'Ä-1', 'N', '0', 'P1', 100000000000000000000, 'ST', '2025-06-27 04:58:05.123456+00'),
	('17e62166fc8586dfa4d1bc0e1742c08b:1', 1, 'Ä-1', 'N', '1', 'P1', 100000000000000000000, 'ST', '2025-06-27 04:58:05.123456+00'),
	('17e62166fc8586dfa4d1bc0e1742c08b:1', 2, 'Ä-1', 'N', '2', 'P2', 100000000000000000000, 'ST', '2025-06-27 04:58:05.123456+00'),
	('66f041e16a60928b05a7e228a89c3799:0', 0, '8685', '2', '0', 'P2', 0.000001, 'ST', '2025-06-27 04:54:22.123456+00'),
	('44f683a84163b3523afe57c2e008bc8c:0', 0, '8685', 'N', '0', 'P1', 1200.5, 'ST', '2025-06-27 05:00:55.123456+00'),
	('Own_135-x:1', 0, '8685', '2', '0', 'P2', 2.5, 'ST', '2025-06-27 05:00:21.123456+00'),
	('e2c420d928d4bf8ce0ff2ec19b371514:0', 0, '8684', 'N', '0', 'P2', 1200.5, 'ST', '2025-06-27 05:01:11.123456+00'),
	('Own_160-x:0', 1, '8684', '1', '1', 'P2', 100000000000000000000, 'ST', '2025-06-27 05:03:22.123456+00'),
	('Own_190-x:0', 0, 'Ä-1', '2', '0', 'P2', 100000000000000000000, 'ST', '2025-06-27 05:04:27.123456+00'),
	('Own_190-x:0', 1, 'Ä-1', '2', '1', 'P1', 100000000000000000000, 'ST', '2025-06-27 05:04:27.123456+00'),
	('Own_190-x:0', 2, 'Ä-1', '2', '2', 'P2', 100000000000000000000, 'ST', '2025-06-27 05:04:27.123456+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:0', 0, '8685', '2', '0', 'P1', 5324, 'ST', '2025-06-27 05:04:02.123456+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:0', 1, '8685', '2', '1', 'P1', 5324, 'ST', '2025-06-27 05:04:02.123456+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:0', 2, '8685', '2', '2', 'P1', 5324, 'ST', '2025-06-27 05:04:02.123456+00'),
	('6974ce5ac660610b44d9b9fed0ff9548:1', 0, 'Ä-1', 'N', '0', 'P2', 2.5, 'ST', '2025-06-27 05:04:59.123456+00'),
	('65b9eea6e1cc6bb9f0cd2a47751a186f:1', 1, '8685', 'N', '1', 'P2', 7, 'ST', '2025-06-27 05:06:09.123456+00'),
	('65b9eea6e1cc6bb9f0cd2a47751a186f:1', 2, '8685', 'N', '2', 'P2', 7, 'ST', '2025-06-27 05:06:09.123456+00'),
	('a3c65c2974270fd093ee8a9bf8ae7d0b:1', 0, '8685', '1', '0', 'P1', 1200.5, 'ST', '2025-06-27 05:05:05.123456+00'),
	('4c56ff4ce4aaf9573aa5dff913df997a:1', 0, 'Ä-1', '1', '0', 'P1', 5324, 'ST', '2025-06-27 05:07:30.123456+00'),
	('c8ffe9a587b126f152ed3d89a146b445:1', 0, '8684', '2', '0', 'P2', 0, 'ST', '2025-06-27 05:07:09.123456+00'),
	('Own_255-x:1', 0, 'Ä-1', '1', '0', 'P1', 7, 'ST', '2025-06-27 05:07:25.123456+00'),
	('Own_255-x:1', 1, 'Ä-1', '1', '1', 'P2', 7, 'ST', '2025-06-27 05:07:25.123456+00'),
	('Own_255-x:1', 2, 'Ä-1', '1', '2', 'P1', 7, 'ST', '2025-06-27 05:07:25.123456+00'),
	('76dc611d6ebaafc66cc0879c71b5db5c:0', 0, '8684', '1', '0', 'P1', 5324, 'ST', '2025-06-27 05:03:55.123456+00'),
	('76dc611d6ebaafc66cc0879c71b5db5c:0', 1, '8684', '1', '1', 'P2', 5324, 'ST', '2025-06-27 05:03:55.123456+00'),
	('76dc611d6ebaafc66cc0879c71b5db5c:0', 2, '8684', '1', '2', 'P1', 5324, 'ST', '2025-06-27 05:03:55.123456+00'),
	('Own_260-x:0', 0, '8684', '1', '0', 'P1', 7, 'ST', '2025-06-27 05:08:52.123456+00'),
	('9b8619251a19057cff70779273e95aa6:1', 0, '8684', '1', '0', 'P2', -12.5, 'ST', '2025-06-27 05:08:18.123456+00'),
	('9b8619251a19057cff70779273e95aa6:1', 1, '8684', '1', '1', 'P1', -12.5, 'ST', '2025-06-27 05:08:18.123456+00'),
	('9b8619251a19057cff70779273e95aa6:1', 2, '8684', '1', '2', 'P1', -12.5, 'ST', '2025-06-27 05:08:18.123456+00'),
	('Own_265-x:1', 0, 'Ä-1', '2', '0', 'P1', -3, 'ST', '2025-06-27 05:09:40.123456+00'),
	('7f1de29e6da19d22b51c68001e7e0e54:1', 1, 'Ä-1', '2', '1', 'P2', 0, 'ST', '2025-06-27 05:08:46.123456+00'),
	('7f1de29e6da19d22b51c68001e7e0e54:1', 2, 'Ä-1', '2', '2', 'P2', 0, 'ST', '2025-06-27 05:08:46.123456+00'),
	('f2217062e9a397a1dca429e7d70bc6ca:1', 0, 'Ä-1', '1', '0', 'P2', 7, 'ST', '2025-06-27 05:05:48.123456+00'),
	('f2217062e9a397a1dca429e7d70bc6ca:1', 1, 'Ä-1', '1', '1', 'P1', 7, 'ST', '2025-06-27 05:05:48.123456+00'),
	('f2217062e9a397a1dca429e7d70bc6ca:1', 2, 'Ä-1', '1', '2', 'P2', 7, 'ST', '2025-06-27 05:05:48.123456+00'),
	('a87ff679a2f3e71d9181a67b7542122c:1', 1, '8684', '1', '1', 'P1', 5324, 'ST', '2025-06-27 04:53:13.123456+00'),
	('f457c545a9ded88f18ecee47145a72c0:0', 0, 'Ä-1', '1', '0', 'P2', -3, 'ST', '2025-06-27 04:57:19.123456+00');


--
-- Data for Name: purchases; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.purchases VALUES
	('8685', 'N', 'partially_delivered', '2025-06-27 04:56:04.123456+00', '2025-06-27 05:00:55.123456+00', '2025-06-27 05:06:09.123456+00', 3, '2025-06-27 05:02:34.123456+00', NULL, '2025-06-27 04:56:04.123456+00', '2025-06-27 05:06:09.123456+00', 'PurchasePartiallyDelivered', '65b9eea6e1cc6bb9f0cd2a47751a186f:1', 5, '1751000769123456 65b9eea6e1cc6bb9f0cd2a47751a186f 000001', '1751000769123456 65b9eea6e1cc6bb9f0cd2a47751a186f 000001'),
	('8685', '2', 'cancelled', '2025-06-27 04:54:02.123456+00', '2025-06-27 04:54:22.123456+00', '2025-06-27 05:04:02.123456+00', 4, '2025-06-27 05:00:21.123456+00', '2025-06-27 04:56:03.123456+00', '2025-06-27 04:54:02.123456+00', '2025-06-27 05:09:09.123456+00', 'PurchaseCancelled', 'Own_295-x:1', 8, '1751000949123456 Own_295-x 000001', '1751000949123456 Own_295-x 000001'),
	('8684', '1', 'delivered', '2025-06-27 04:59:43.123456+00', '2025-06-27 04:53:13.123456+00', '2025-06-27 05:08:52.123456+00', 6, '2025-06-27 05:08:52.123456+00', '2025-06-27 05:04:09.123456+00', '2025-06-27 04:53:13.123456+00', '2025-06-27 05:08:52.123456+00', 'PurchaseDelivered', 'Own_260-x:0', 8, '1751000932123456 Own_260-x 000000', '1751000932123456 Own_260-x 000000'),
	('8684', '2', 'created', '2025-06-27 04:54:31.123456+00', '2025-06-27 04:56:01.123456+00', '2025-06-27 05:07:09.123456+00', 2, NULL, NULL, '2025-06-27 04:54:31.123456+00', '2025-06-27 05:08:00.123456+00', 'PurchaseCreated', '65ded5353c5ee48d0b7d48c591b8f430:0', 7, '1751000880123456 65ded5353c5ee48d0b7d48c591b8f430 000000', '1751000880123456 65ded5353c5ee48d0b7d48c591b8f430 000000'),
	('Ä-1', '2', 'cancelled', '2025-06-27 04:59:40.123456+00', '2025-06-27 05:00:01.123456+00', '2025-06-27 05:09:50.123456+00', 6, '2025-06-27 05:09:50.123456+00', '2025-06-27 04:59:19.123456+00', '2025-06-27 04:59:19.123456+00', '2025-06-27 05:10:13.123456+00', 'PurchaseCancelled', 'Own_290-x:0', 10, '1751001013123456 Own_290-x 000000', '1751001013123456 Own_290-x 000000'),
	('8684', 'N', 'cancelled', '2025-06-27 05:02:53.123456+00', '2025-06-27 05:01:11.123456+00', '2025-06-27 05:01:11.123456+00', 1, '2025-06-27 05:01:11.123456+00', '2025-06-27 04:55:40.123456+00', '2025-06-27 04:55:40.123456+00', '2025-06-27 05:09:53.123456+00', 'PurchaseCancelled', '2b24d495052a8ce66358eb576b8912c8:1', 4, '1751000993123456 2b24d495052a8ce66358eb576b8912c8 000001', '1751000993123456 2b24d495052a8ce66358eb576b8912c8 000001'),
	('Ä-1', 'N', 'created', '2025-06-27 05:12:05.123456+00', '2025-06-27 04:56:29.123456+00', '2025-06-27 05:04:59.123456+00', 6, '2025-06-27 05:04:59.123456+00', '2025-06-27 05:05:38.123456+00', '2025-06-27 04:56:29.123456+00', '2025-06-27 05:12:05.123456+00', 'PurchaseCreated', 'b73ce398c39f506af761d2277d853a92:1', 8, '1751001125123456 b73ce398c39f506af761d2277d853a92 000001', '1751001125123456 b73ce398c39f506af761d2277d853a92 000001'),
	('8685', '1', 'partially_delivered', '2025-06-27 05:00:38.123456+00', '2025-06-27 05:05:05.123456+00', '2025-06-27 05:12:12.123456+00', 2, NULL, '2025-06-27 04:59:18.123456+00', '2025-06-27 04:59:18.123456+00', '2025-06-27 05:12:12.123456+00', 'PurchasePartiallyDelivered', 'Own_325-x:1', 6, '1751001132123456 Own_325-x 000001', '1751001132123456 Own_325-x 000001'),
	('Ä-1', '1', 'partially_delivered', '2025-06-27 04:58:28.123456+00', '2025-06-27 04:55:14.123456+00', '2025-06-27 05:12:14.123456+00', 6, '2025-06-27 04:57:19.123456+00', '2025-06-27 04:52:03.123456+00', '2025-06-27 04:52:03.123456+00', '2025-06-27 05:12:14.123456+00', 'PurchasePartiallyDelivered', '0777d5c17d4066b82ab86dff8a46af6f:0', 12, '1751001134123456 0777d5c17d4066b82ab86dff8a46af6f 000000', '1751001134123456 0777d5c17d4066b82ab86dff8a46af6f 000000');


--
-- Data for Name: stock_balance_history; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.stock_balance_history VALUES
	('Own_10-x:0', 0, 'Ö|ß', '1', 'balance', 100000000000000000000, 'ItemChangeST', NULL, '2025-06-27 04:53:34.123456+00'),
	('c74d97b01eae257e44aa9d5bade97baf:0', 0, 'P2', 'N', 'balance', 0.000001, 'ItemChangeST', NULL, '2025-06-27 04:56:07.123456+00'),
	('c74d97b01eae257e44aa9d5bade97baf:1', 0, '007', 'N', 'available_balance', 5324, NULL, NULL, '2025-06-27 04:55:08.123456+00'),
	('e369853df766fa44e1ed0ff613f563bd:1', 0, 'P1', '1', 'available_balance', -3, NULL, NULL, '2025-06-27 04:56:32.123456+00'),
	('e369853df766fa44e1ed0ff613f563bd:1', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 04:56:32.123456+00'),
	('a1d0c6e83f027327d8461063f4ac58a6:0', 0, 'Ö|ß', 'N', 'available_balance', 7, NULL, NULL, '2025-06-27 04:59:12.123456+00'),
	('a1d0c6e83f027327d8461063f4ac58a6:0', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 04:59:12.123456+00'),
	('642e92efb79421734881b53e1e1b18b6:0', 0, '007', '1', 'balance', 1200.5, 'ItemChangeST', NULL, '2025-06-27 04:59:13.123456+00'),
	('Own_125-x:1', 0, 'Ö|ß', '2', 'balance', -12.5, 'ItemChangeST', NULL, '2025-06-27 05:00:19.123456+00'),
	('03afdbd66e7929b125f8597834fa83a4:1', 0, 'P1', 'N', 'available_balance', 0.000001, NULL, NULL, '2025-06-27 05:00:37.123456+00'),
	('a3f390d88e4c41f2747bfa2f1b5f87db:1', 0, 'P1', '1', 'available_balance', 100000000000000000000, NULL, NULL, '2025-06-27 05:01:32.123456+00'),
	('a3f390d88e4c41f2747bfa2f1b5f87db:1', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 05:01:32.123456+00'),
	('Own_140-x:0', 0, 'P2', '1', 'balance', -3, 'ItemChangeST', 'Delivery', '2025-06-27 04:57:11.123456+00'),
	('d1fe173d08e959397adf34b1d77e88d7:0', 0, '007', '2', 'available_balance', -12.5, NULL, NULL, '2025-06-27 04:57:54.123456+00'),
	('d1fe173d08e959397adf34b1d77e88d7:0', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 04:57:54.123456+00'),
	('68d30a9594728bc39aa24be94b319d21:1', 0, 'Ö|ß', '2', 'balance', 100000000000000000000, 'ItemChangeST', 'Delivery', '2025-06-27 05:02:36.123456+00'),
	('98dce83da57b0395e163467c9dae521b:1', 0, 'Ö|ß', '2', 'available_balance', -3, NULL, NULL, '2025-06-27 05:04:39.123456+00'),
	('98dce83da57b0395e163467c9dae521b:1', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 05:04:39.123456+00'),
	('Own_195-x:1', 0, 'P2', '1', 'available_balance', 1200.5, NULL, NULL, '2025-06-27 05:04:31.123456+00'),
	('Own_195-x:1', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 05:04:31.123456+00'),
	('ed3d2c21991e3bef5e069713af9fa6ca:0', 0, 'Ö|ß', '1', 'available_balance', 5324, NULL, NULL, '2025-06-27 05:05:37.123456+00'),
	('ed3d2c21991e3bef5e069713af9fa6ca:0', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 05:05:37.123456+00'),
	('ac627ab1ccbdb62ec96e702f07f6425b:1', 0, 'P2', '1', 'available_balance', 0, NULL, NULL, '2025-06-27 04:59:02.123456+00'),
	('c9e1074f5b3f9fc8ea15d152add07294:0', 0, 'P1', '2', 'balance', 100000000000000000000, 'ItemChangeST', NULL, '2025-06-27 05:05:00.123456+00'),
	('a0a080f42e6f13b3a2df133f073095dd:0', 0, '007', 'N', 'available_balance', 0, NULL, NULL, '2025-06-27 05:05:52.123456+00'),
	('202cb962ac59075b964b07152d234b70:0', 0, 'P1', '2', 'balance', -3, 'ItemChangeST', NULL, '2025-06-27 05:08:37.123456+00'),
	('0f28b5d49b3020afeecd95b4009adf4c:0', 0, 'Ö|ß', '2', 'balance', 0.000001, 'ItemChangeST', 'Delivery', '2025-06-27 05:10:42.123456+00'),
	('0a09c8844ba8f0936c20bd791130d6b6:1', 0, '007', 'N', 'available_balance', -3, NULL, NULL, '2025-06-27 05:10:04.123456+00'),
	('0a09c8844ba8f0936c20bd791130d6b6:1', 1, 'P9', '1', 'available_balance', 4, NULL, NULL, '2025-06-27 05:10:04.123456+00'),
	('47d1e990583c9c67424d369f3414728e:1', 0, 'P2', '2', 'available_balance', -12.5, NULL, NULL, '2025-06-27 05:11:33.123456+00'),
	('e4da3b7fbbce2345d7772b0674a318d5:1', 0, 'P2', '2', 'available_balance', 7, NULL, NULL, '2025-06-27 04:52:59.123456+00'),
	('Own_175-x:1', 0, 'Ö|ß', 'N', 'balance', -3, 'ItemChangeST', NULL, '2025-06-27 05:02:52.123456+00'),
	('Own_235-x:1', 0, '007', '2', 'available_balance', 7, NULL, NULL, '2025-06-27 05:05:39.123456+00'),
	('Own_240-x:0', 0, 'P1', 'N', 'available_balance', 0, NULL, NULL, '2025-06-27 05:07:10.123456+00');


--
-- Data for Name: stock_balances; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.stock_balances VALUES
	('P2', 'N', 0.000001, 'ItemChangeST', NULL, '2025-06-27 04:56:07.123456+00', NULL, NULL, '2025-06-27 04:56:07.123456+00', '2025-06-27 04:56:07.123456+00', 'BalanceChanged', 'c74d97b01eae257e44aa9d5bade97baf:0', 1, '1751000167123456 c74d97b01eae257e44aa9d5bade97baf 000000', '1751000167123456 c74d97b01eae257e44aa9d5bade97baf 000000', '1751000167123456 c74d97b01eae257e44aa9d5bade97baf 000000', '', ''),
	('P2', '1', -3, 'ItemChangeST', 'Delivery', '2025-06-27 04:57:11.123456+00', 1200.5, '2025-06-27 05:04:31.123456+00', '2025-06-27 04:57:11.123456+00', '2025-06-27 05:04:31.123456+00', 'AvailableBalanceChanged', 'Own_195-x:1', 3, '1751000671123456 Own_195-x 000001', '1751000231123456 Own_140-x 000000', '1751000231123456 Own_140-x 000000', '1751000231123456 Own_140-x 000000', '1751000671123456 Own_195-x 000001'),
	('007', '1', 1200.5, 'ItemChangeST', NULL, '2025-06-27 04:59:13.123456+00', NULL, NULL, '2025-06-27 04:59:13.123456+00', '2025-06-27 04:59:13.123456+00', 'BalanceChanged', '642e92efb79421734881b53e1e1b18b6:0', 1, '1751000353123456 642e92efb79421734881b53e1e1b18b6 000000', '1751000353123456 642e92efb79421734881b53e1e1b18b6 000000', '1751000353123456 642e92efb79421734881b53e1e1b18b6 000000', '', ''),
	('P1', '1', NULL, NULL, NULL, NULL, 100000000000000000000, '2025-06-27 05:01:32.123456+00', '2025-06-27 04:56:32.123456+00', '2025-06-27 05:01:32.123456+00', 'AvailableBalanceChanged', 'a3f390d88e4c41f2747bfa2f1b5f87db:1', 3, '1751000492123456 a3f390d88e4c41f2747bfa2f1b5f87db 000001', '', '', '', '1751000492123456 a3f390d88e4c41f2747bfa2f1b5f87db 000001'),
	('Ö|ß', 'N', -3, 'ItemChangeST', NULL, '2025-06-27 05:02:52.123456+00', 7, '2025-06-27 04:59:12.123456+00', '2025-06-27 04:59:12.123456+00', '2025-06-27 05:02:52.123456+00', 'BalanceChanged', 'Own_175-x:1', 2, '1751000572123456 Own_175-x 000001', '1751000572123456 Own_175-x 000001', '1751000572123456 Own_175-x 000001', '', '1751000352123456 a1d0c6e83f027327d8461063f4ac58a6 000000'),
	('P1', '2', -3, 'ItemChangeST', NULL, '2025-06-27 05:08:37.123456+00', NULL, NULL, '2025-06-27 05:05:00.123456+00', '2025-06-27 05:08:37.123456+00', 'BalanceChanged', '202cb962ac59075b964b07152d234b70:0', 2, '1751000917123456 202cb962ac59075b964b07152d234b70 000000', '1751000917123456 202cb962ac59075b964b07152d234b70 000000', '1751000917123456 202cb962ac59075b964b07152d234b70 000000', '', ''),
	('007', '2', NULL, NULL, NULL, NULL, 7, '2025-06-27 05:05:39.123456+00', '2025-06-27 04:57:54.123456+00', '2025-06-27 05:05:39.123456+00', 'AvailableBalanceChanged', 'Own_235-x:1', 2, '1751000739123456 Own_235-x 000001', '', '', '', '1751000739123456 Own_235-x 000001'),
	('P1', 'N', NULL, NULL, NULL, NULL, 0, '2025-06-27 05:07:10.123456+00', '2025-06-27 05:00:37.123456+00', '2025-06-27 05:07:10.123456+00', 'AvailableBalanceChanged', 'Own_240-x:0', 2, '1751000830123456 Own_240-x 000000', '', '', '', '1751000830123456 Own_240-x 000000'),
	('Ö|ß', '2', 0.000001, 'ItemChangeST', 'Delivery', '2025-06-27 05:10:42.123456+00', -3, '2025-06-27 05:04:39.123456+00', '2025-06-27 05:00:19.123456+00', '2025-06-27 05:10:42.123456+00', 'BalanceChanged', '0f28b5d49b3020afeecd95b4009adf4c:0', 4, '1751001042123456 0f28b5d49b3020afeecd95b4009adf4c 000000', '1751001042123456 0f28b5d49b3020afeecd95b4009adf4c 000000', '1751001042123456 0f28b5d49b3020afeecd95b4009adf4c 000000', '1751001042123456 0f28b5d49b3020afeecd95b4009adf4c 000000', '1751000679123456 98dce83da57b0395e163467c9dae521b 000001'),
	('Ö|ß', '1', 100000000000000000000, 'ItemChangeST', NULL, '2025-06-27 05:04:56.123456+00', 5324, '2025-06-27 05:05:37.123456+00', '2025-06-27 04:53:34.123456+00', '2025-06-27 05:05:37.123456+00', 'AvailableBalanceChanged', 'ed3d2c21991e3bef5e069713af9fa6ca:0', 3, '1751000737123456 ed3d2c21991e3bef5e069713af9fa6ca 000000', '1751000014123456 Own_10-x 000000', '1751000696123456 54229abfcfa5649e7003b83dd4755294 000000', '', '1751000737123456 ed3d2c21991e3bef5e069713af9fa6ca 000000'),
	('007', 'N', NULL, NULL, NULL, NULL, -3, '2025-06-27 05:10:04.123456+00', '2025-06-27 04:55:08.123456+00', '2025-06-27 05:10:04.123456+00', 'AvailableBalanceChanged', '0a09c8844ba8f0936c20bd791130d6b6:1', 3, '1751001004123456 0a09c8844ba8f0936c20bd791130d6b6 000001', '', '', '', '1751001004123456 0a09c8844ba8f0936c20bd791130d6b6 000001'),
	('P9', '1', NULL, NULL, NULL, NULL, 4, '2025-06-27 05:10:04.123456+00', '2025-06-27 04:56:32.123456+00', '2025-06-27 05:10:04.123456+00', 'AvailableBalanceChanged', '0a09c8844ba8f0936c20bd791130d6b6:1', 8, '1751001004123456 0a09c8844ba8f0936c20bd791130d6b6 000001', '', '', '', '1751001004123456 0a09c8844ba8f0936c20bd791130d6b6 000001'),
	('P2', '2', NULL, 'ItemChangeST', NULL, '2025-06-27 05:09:32.123456+00', -12.5, '2025-06-27 05:11:33.123456+00', '2025-06-27 04:52:59.123456+00', '2025-06-27 05:11:33.123456+00', 'AvailableBalanceChanged', '47d1e990583c9c67424d369f3414728e:1', 3, '1751001093123456 47d1e990583c9c67424d369f3414728e 000001', '', '1751000972123456 02522a2b2726fb0a03bb19f2d8d9524d 000000', '', '1751001093123456 47d1e990583c9c67424d369f3414728e 000001');


--
-- Name: consumer_offsets consumer_offsets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.consumer_offsets
    ADD CONSTRAINT consumer_offsets_pkey PRIMARY KEY (topic, partition);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_number);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id);


--
-- Name: invoices invoices_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (invoice_number);


--
-- Name: mirror_columns mirror_columns_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.mirror_columns
    ADD CONSTRAINT mirror_columns_pkey PRIMARY KEY (table_name, column_name);


--
-- Name: notifications notifications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (event_id);


--
-- Name: offers offers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.offers
    ADD CONSTRAINT offers_pkey PRIMARY KEY (offer_number);


--
-- Name: order_picking_rows order_picking_rows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.order_picking_rows
    ADD CONSTRAINT order_picking_rows_pkey PRIMARY KEY (order_number, "position", sub_position);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_number);


--
-- Name: price_lists price_lists_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.price_lists
    ADD CONSTRAINT price_lists_pkey PRIMARY KEY (price_list_name);


--
-- Name: products products_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (product_number);


--
-- Name: purchase_delivery_rows purchase_delivery_rows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purchase_delivery_rows
    ADD CONSTRAINT purchase_delivery_rows_pkey PRIMARY KEY (event_id, row_index);


--
-- Name: purchases purchases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.purchases
    ADD CONSTRAINT purchases_pkey PRIMARY KEY (order_number, warehouse);


--
-- Name: stock_balance_history stock_balance_history_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stock_balance_history
    ADD CONSTRAINT stock_balance_history_pkey PRIMARY KEY (event_id, row_index);


--
-- Name: stock_balances stock_balances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stock_balances
    ADD CONSTRAINT stock_balances_pkey PRIMARY KEY (product_number, warehouse);


--
-- Name: ix_dead_letters_reason; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_dead_letters_reason ON public.dead_letters USING btree (reason);


--
-- Name: ix_dead_letters_state_parked_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_dead_letters_state_parked_at ON public.dead_letters USING btree (state, parked_at);


--
-- Name: ix_notifications_entity_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_notifications_entity_key ON public.notifications USING btree (entity_key);


--
-- Name: ix_notifications_received_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_notifications_received_at ON public.notifications USING brin (received_at) WITH (autosummarize='true');


--
-- Name: ix_notifications_untold; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_notifications_untold ON public.notifications USING btree (action, event_id) WHERE ((jsonb_typeof(details) = 'array'::text) OR (entity_key IS NULL));


--
-- Name: ix_order_picking_rows_product_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_order_picking_rows_product_number ON public.order_picking_rows USING btree (product_number);


--
-- Name: ix_orders_as_of; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_orders_as_of ON public.orders USING btree (as_of);


--
-- Name: ix_orders_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_orders_status ON public.orders USING btree (status);


--
-- Name: ix_purchase_delivery_rows_order_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_purchase_delivery_rows_order_number ON public.purchase_delivery_rows USING btree (order_number);


--
-- Name: ix_purchase_delivery_rows_product_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_purchase_delivery_rows_product_number ON public.purchase_delivery_rows USING btree (product_number);


--
-- Name: ix_purchases_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_purchases_status ON public.purchases USING btree (status);


--
-- Name: ix_stock_balance_history_product_number_warehouse_measure_occur; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_stock_balance_history_product_number_warehouse_measure_occur ON public.stock_balance_history USING btree (product_number, warehouse, measure, occurred_at);


--
-- Name: ix_stock_balances_warehouse; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_stock_balances_warehouse ON public.stock_balances USING btree (warehouse);


--
-- PostgreSQL database dump complete
--


