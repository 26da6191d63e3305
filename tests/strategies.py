"""Hypothesis strategies and helpers that the tests of config, events and mirror share."""

import contextlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect

from connector import events
from connector.config import Config
from connector.events import Event
from connector.kafka.routes import Routes
from connector.mirror import database, schema
from connector.mirror.chunks import Chunk
from connector.mirror.ledger import LedgerEvent
from connector.mirror.mapped import stored
from connector.mirror.mapping import Mapping
from connector.mirror.rows import Item
from connector.mirror.sink import Sink
from connector.mirror.statements import quoted
from tests import copies

NOON = 1_700_000_000_000_000
MINUTE = 60_000_000
# What may differ between two mirrors of the same events (docs/contract.md, The law).
OWN_OF_LEDGER = {"kafka_topic", "kafka_partition", "kafka_offset", "mirrored_at"}


# --- Events by hand ------------------------------------------------------------------------------


class Maker:
    """Makes events and chunks for one configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.mapping = Mapping(config)
        self.routes = Routes(config)

    def event(
        self,
        action: str,
        details: Any,
        *,
        delivery: str = "d1",
        index: int = 0,
        at: int = NOON,
        attempt: int = 1,
        received: int | None = None,
        properties: str = "{}",
        hook: str = "xtnd",
    ) -> Event:
        """An event as the gateway would make it; ``details`` is data, or JSON text as bytes."""
        raw = details if isinstance(details, bytes) else json.dumps(details).encode()
        data = events.exact_json.decode(raw)
        route = self.routes.route(action)
        return Event(
            delivery_id=delivery,
            index=index,
            hook=hook,
            attempt=attempt,
            family=route.family,
            action=action,
            entity_key=self.routes.entity_key(route, data),
            details=events.compact(raw),
            properties=properties,
            received_at=at if received is None else received,
            occurred_at=at,
        )

    def snapshot(self, key: str, body: Any, *, at: int = NOON, gone: bool = False, **more: Any) -> Event:
        """The answer of a GET, of an order where ``more`` does not say otherwise."""
        given = {"source": "xtnd", "family": "orders", "entity": "Order", "received_at": at} | more
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return events.snapshot(key=key, at=at, body=raw, gone=gone, **given)

    def item(self, event: Event, offset: int, *, topic: str = "t", partition: int = 0) -> Item:
        ledger_event = LedgerEvent(event, topic, partition, offset)
        return Item(ledger_event, self.mapping.contributions(event), ledger_event)

    def chunk(
        self,
        said: Sequence[Event],
        *,
        topic: str = "t",
        partition: int = 0,
        first: int = 0,
        asked: int | None = None,
    ) -> Chunk:
        """Consecutive records of a partition, from offset ``first`` on."""
        items = [
            self.item(event, first + place, topic=topic, partition=partition)
            for place, event in enumerate(said)
        ]
        return Chunk(
            topic=topic,
            partition=partition,
            asked=first if asked is None else asked,
            first=first,
            next_offset=first + len(said),
            items=items,
        )


class Mirror(Maker):
    """A database with the mirror's schema, and the sink that writes into it."""

    def __init__(
        self, engine: Engine, config: Config, *, accept_mapping: bool = False, made: bool = False
    ) -> None:
        super().__init__(config)
        self.engine = engine
        self.now = NOON
        if not made:
            schema.ensure(engine, config, self.mapping, accept_mapping=accept_mapping)
        self.sink = Sink(engine, self.mapping, schema.fingerprint(self.mapping), lambda: self.now)

    def write(self, *said: Event, partition: int = 0) -> Any:
        """Write events behind what the partition holds."""
        first = self.sink.positions([("t", partition)]).get(("t", partition), 0)
        return self.sink.write([self.chunk(said, partition=partition, first=first)])

    def row(self, table: str, **key: Any) -> dict[str, Any]:
        """The only row of a table with these values."""
        found = [row for row in self.rows(table) if all(row[name] == value for name, value in key.items())]
        assert len(found) == 1, f"{len(found)} rows of {table} with {key}"
        return found[0]

    def rows(self, table: str, order: str = "1, 2") -> list[dict[str, Any]]:
        """All rows of a view, as people read them, or of a table of the store."""
        return select(self.engine, f"SELECT * FROM {quoted(table)} ORDER BY {order}")

    def empty(self) -> None:
        """Take all rows away, keep the schema."""
        with database.transaction(self.engine) as connection:
            for name in inspect(connection).get_table_names():
                if name not in ("_mirror_rules", "_mirror_layout", "_mirror_routes"):
                    connection.exec_driver_sql(f"DELETE FROM {quoted(name)}")

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every mapped table of the store, and the ledger's view, in a form equal on both databases."""
        return {
            name: self._content(name)
            for name in ("notifications", *(one.name for one in self.mapping.tables))
        }

    def _content(self, table: str) -> list[tuple[Any, ...]]:
        ledger = table == "notifications"
        # As text: the driver would read the numbers in jsonb as binary floats.
        casts = ", CAST(details AS TEXT) AS details, CAST(properties AS TEXT) AS properties"
        rows = select(
            self.engine,
            f"SELECT *{casts if ledger else ''} FROM {quoted(table if ledger else stored(table))}",
        )
        left_out = OWN_OF_LEDGER if ledger else {"mirrored_at"}
        return sorted(
            (
                tuple((name, plain(name, value)) for name, value in row.items() if name not in left_out)
                for row in rows
            ),
            key=repr,
        )


def select(engine: Engine, sql: str) -> list[dict[str, Any]]:
    with database.transaction(engine) as connection:
        return [dict(row._mapping) for row in connection.exec_driver_sql(sql)]


def plain(name: str, value: Any) -> str | None:
    """A value as text that is the same on SQLite and PostgreSQL."""
    if name in ("details", "properties"):
        return json.dumps(events.exact_json.decode(value), sort_keys=True, default=str)
    if isinstance(value, bool):
        return str(int(value))
    if hasattr(value, "tzinfo"):
        return events.iso(events.microseconds(value))
    return None if value is None else str(value)


@contextlib.contextmanager
def mirror(config: Config, *, accept_mapping: bool = False, copied: bool = False) -> Iterator[Mirror]:
    """A mirror on the configuration's database.

    A start makes its tables; where ``copied``, the database is empty and gets those that a start made before.
    """
    if copied:
        copies.fill(config)
    engine = database.connect(config.database, connections=4)
    try:
        yield Mirror(engine, config, accept_mapping=accept_mapping, made=copied)
    finally:
        engine.dispose()


# --- Sets of events that collide -----------------------------------------------------------------

ORDERS = ("OrderCreated", "OrderReserved", "OrderPicked", "OrderDeliveryDataChanged", "OrderCancelled")
PURCHASES = ("PurchaseCreated", "PurchasePartiallyDelivered", "PurchaseDelivered", "PurchaseCancelled")
NUMBERED = {
    "ProductNumber": ("ProductCreated", "ProductChanged"),
    "PriceListName": ("PriceListWebHook",),
    "CustomerNumber": ("CustomerCreated", "CustomerChanged"),
    "OfferNumber": ("OfferCreated", "OfferChanged"),
    "InvoiceNumber": ("CustomerInvoiceCreated", "CustomerInvoiceChanged"),
}

few = st.sampled_from
key_numbers = few(["1", "007", 8, "Ä|ß"])
warehouses = few(["N", "S"])
quantities = few([None, 0, 1, -3, "5 324", "1\u00a0200,5", "\u22127", 2.5, "0.0000015", 10**20, "-12.000001"])


def _maybe(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object in which each part may be missing."""
    return st.fixed_dictionaries({}, optional=parts)


def _joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda all_: {name: value for one in all_ for name, value in one.items()})


def _one_or_more(rows: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly one row object, sometimes an array of several."""
    return st.one_of(rows, rows, st.lists(rows, min_size=1, max_size=3))


order_details = _one_or_more(
    _joined(
        st.fixed_dictionaries({"OrderNumber": key_numbers}),
        _maybe(OrderType=few([None, "NormalOrder", "Web"])),
    )
)
picking_row = _joined(
    st.fixed_dictionaries({"Position": few([10, "20"]), "SubPosition": few([0, "1"])}),
    _maybe(ProductNumber=few(["P1", "007", None]), Unit=st.fixed_dictionaries({"Quantity": quantities})),
)
picking_details = st.fixed_dictionaries(
    {
        "Order": _joined(
            st.fixed_dictionaries({"OrderNumber": key_numbers}),
            _maybe(
                Warehouse=few(["N", "S", None]),
                Row=st.one_of(picking_row, st.none(), st.lists(picking_row, max_size=3)),
            ),
        )
    }
)
purchase_details = _one_or_more(
    _joined(
        st.fixed_dictionaries({"OrderNumber": key_numbers, "Warehouse": warehouses}),
        _maybe(
            ProductNumber=few(["P1", "P2", None]),
            Quantity=quantities,
            Position=few(["30", 40]),
            Unit=few(["ST", None]),
        ),
    )
)
balance_details = _one_or_more(
    _joined(
        st.fixed_dictionaries({"ProductNumber": key_numbers, "Warehouse": warehouses}),
        _maybe(
            Balance=quantities,
            AvailableBalance=quantities,
            EventName=few(["ItemChangeST", None]),
            EventType=few(["BalanceAdjustment", "Delivery"]),
        ),
    )
)

notifications: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(few(ORDERS), order_details),
    st.tuples(st.just("PickingStarted"), picking_details),
    st.tuples(few(PURCHASES), purchase_details),
    st.tuples(few(["BalanceChanged", "AvailableBalanceChanged"]), balance_details),
    st.tuples(st.just("Unheard"), st.just({"Of": 1})),
    *(
        st.tuples(few(actions), _one_or_more(st.fixed_dictionaries({key: key_numbers})))
        for key, actions in NUMBERED.items()
    ),
)


# Records of orders: the table of them, the rows of each, and what is delivered of each row.
RECORD_TABLES: dict[str, Any] = {
    "tables.order_details": {
        "kind": "snapshot",
        "of": "orders",
        "key": {"order_number": {"path": "orderHeader.orderNumber"}},
        "columns": {
            "customer_name": {"path": "orderHeader.customerName", "type": "text"},
            "total": {"path": "orderHeader.total", "type": "numeric"},
            "ordered_at": {"path": "orderHeader.orderDate", "type": "timestamp"},
            "is_paid": {"path": "orderHeader.paid", "type": "boolean"},
        },
    },
    "tables.order_rows": {
        "kind": "snapshot",
        "of": "orders",
        "parent": "order_details",
        "each": "orderRows",
        "key": {
            "order_number": {"path": "orderHeader.orderNumber"},
            "row_number": {"path": "orderRows.rowNumber"},
        },
        "columns": {
            "product_number": {"path": "orderRows.productNumber", "type": "text"},
            "quantity": {"path": "orderRows.quantity", "type": "numeric"},
            "currency": {"path": "orderHeader.currency", "type": "text"},
        },
        "indexes": [["product_number"]],
    },
    "tables.order_parcels": {
        "kind": "snapshot",
        "of": "orders",
        "parent": "order_details",
        "each": "orderRows.parcels",
        "key": {
            "order_number": {"path": "orderHeader.orderNumber"},
            "row_number": {"path": "orderRows.rowNumber"},
            "parcel": {"path": "orderRows.parcels.id"},
        },
        "columns": {"weight": {"path": "orderRows.parcels.weight", "type": "numeric"}},
        "requires": ["weight"],
    },
}

record_keys = few(["1", "007", "Ä|ß"])
parcel = _joined(st.fixed_dictionaries({"id": few(["p", 2])}), _maybe(weight=quantities))
record_row = _joined(
    st.fixed_dictionaries({"rowNumber": few([1, 2, "3"])}),
    _maybe(
        productNumber=few(["P1", "P2", None]),
        quantity=quantities,
        parcels=st.none() | st.lists(parcel, max_size=2),
    ),
)
record_header = _maybe(
    customerName=few(["Å", "", None]),
    total=quantities,
    orderDate=few(["2026-11-27T10:00:00+01:00", None]),
    paid=few([True, False, None]),
    currency=few(["SEK", None]),
)


key_of_few = few(["1", "007"])
COPIED: list[tuple[str, st.SearchStrategy[Any]]] = [
    (
        few_action,
        _one_or_more(
            _joined(
                st.fixed_dictionaries({"OrderNumber": key_of_few}), _maybe(OrderType=few(["Web", "Shop"]))
            )
        ),
    )
    for few_action in ("OrderReserved", "OrderPicked")
] + [("PickingStarted", picking_details), ("BalanceChanged", balance_details)]


@st.composite
def snapshots(draw: Callable[..., Any], maker: Maker, *, max_size: int = 10) -> list[Event]:
    """Snapshots of few orders and instants, of which some say that the order is gone, some of them twice.

    They collide with one another, and with a hook's actions of their names and of the orders. Of two
    copies, which two fetches of one instant make, the one that was received first counts.
    """
    made: list[Event] = []
    for number in range(draw(st.integers(1, max_size))):
        key, at = draw(record_keys), NOON + draw(st.integers(0, 5)) * MINUTE
        body: dict[str, Any] = {"orderHeader": {"orderNumber": key}}
        gone = draw(few([False, False, True]))
        if not gone or draw(few([False, False, True])):  # what else it says of one that is gone counts not
            body["orderHeader"] |= draw(record_header)
            body |= draw(_maybe(orderRows=st.none() | st.lists(record_row, max_size=4)))
        made.append(maker.snapshot(key, body, at=at, gone=gone, received_at=at + number))
        if draw(few([False, False, True])):  # another hand's, which no table of records takes
            made.append(maker.event(made[-1].action, body, delivery=f"h{number}", at=at))
    return made


class Sent(msgspec.Struct, frozen=True):
    """One notification with every copy that reached Kafka: (attempt, occurred_at, received_at)."""

    delivery: str
    index: int
    action: str
    details: Any
    copies: tuple[tuple[int, int, int], ...]
    hook: str = "xtnd"


@st.composite
def sent_sets(draw: Callable[..., Any], *, max_size: int = 12) -> list[Sent]:
    """Distinct notifications that collide in keys and in time, some of them sent again."""
    said = draw(st.lists(notifications, min_size=1, max_size=max_size))
    sent = []
    for number, (action, details) in enumerate(said):
        # Two notifications share each delivery, and few instants make ties.
        at = NOON + draw(st.integers(0, 3)) * MINUTE
        attempts = draw(few([(1,), (1,), (1,), (2,), (1, 2), (3, 1), (2, 3), (1, 1)]))
        copies = tuple(
            (attempt, at + draw(few([-MINUTE, 0, MINUTE])), at + place * MINUTE)
            for place, attempt in enumerate(attempts)
        )
        delivery = f"{'ba-c'[number // 2 % 4]}{number // 2}"
        sent.append(Sent(delivery, number % 2, action, details, copies))
        # Somebody posts the same Id and index by another hook, now and then at the same instant.
        if draw(few([False, False, True])):
            other_action, other_details = draw(notifications)
            at = (at - MINUTE, at, at)[draw(st.integers(0, 2))]
            other = tuple((attempt, at, at + place) for place, attempt in enumerate(attempts))
            hook = draw(few(["second", "Xtnd-2", "_"]))
            sent.append(Sent(delivery, number % 2, other_action, other_details, other, hook))
    return sent


def copies_of(maker: Maker, sent: Sent) -> list[Event]:
    return [
        maker.event(
            sent.action,
            sent.details,
            delivery=sent.delivery,
            index=sent.index,
            attempt=attempt,
            at=occurred,
            received=received,
            hook=sent.hook,
        )
        for attempt, occurred, received in sent.copies
    ]


@st.composite
def differing_copies(draw: Callable[..., Any], maker: Maker, parts: int) -> list[list[Event]]:
    """Few events of few orders and balances, in parts that arrive one after the other.

    Most have several copies, which do not say the same and come in different parts. The one that counts
    mostly comes last: it is of the lowest attempt, and of these the first that was received. Records are
    among them.
    """
    arriving: list[list[Event]] = [[] for _ in range(parts)]
    for number in range(draw(st.integers(1, 4))):
        action, details = draw(few(COPIED))
        copies = []
        for place in range(draw(few([2, 2, 3, 1]))):
            at = NOON + draw(few([-MINUTE, 0, 0, MINUTE]))
            attempt, received = draw(st.integers(1, 3)), NOON + place
            given = {"delivery": f"d{number}", "at": at, "attempt": attempt, "received": received}
            copies.append(maker.event(action, draw(details), **given))
        copies.sort(key=lambda event: event.copy_rank, reverse=draw(few([True, True, True, False])))
        for part, event in enumerate(copies, draw(few([0, 0, 1]))):
            arriving[min(part, parts - 1)].append(event)
    for event in draw(snapshots(maker, max_size=3)):
        arriving[draw(st.integers(0, parts - 1))].append(event)
    return arriving


def distinct(said: Sequence[Event]) -> list[Event]:
    """One event for each identity: the copy that counts."""
    best: dict[events.Identity, Event] = {}
    for event in said:
        if event.identity not in best or event.copy_rank < best[event.identity].copy_rank:
            best[event.identity] = event
    return list(best.values())


def arrival(maker: Maker, said: Sequence[Event], seed: int) -> list[list[Chunk]]:
    """An order of arrival: partitions, exact duplicates, a permutation and batch borders, by seed.

    Gives the batches, each with at most one chunk per partition and consecutive offsets.
    """
    chance = random.Random(seed)
    arriving = [*said, *(event for event in said if chance.random() < 0.3)]
    chance.shuffle(arriving)
    width = chance.choice([1, 2, 4])
    queues: list[list[Event]] = [[] for _ in range(width)]
    for event in arriving:
        queues[chance.randrange(width)].append(event)
    offsets = [0] * width
    batches = []
    while any(queues):
        batch = []
        for partition, queue in enumerate(queues):
            count = min(len(queue), chance.choice([0, 1, 2, 5, 50]))
            if count:
                batch.append(maker.chunk(queue[:count], partition=partition, first=offsets[partition]))
                offsets[partition] += count
                del queue[:count]
        chance.shuffle(batch)
        if batch:
            batches.append(batch)
    return batches
