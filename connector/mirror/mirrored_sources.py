"""What the mirror's worker asks records for, for a process by hand that was not given the API's address.

The address (XTND_API_URL) switches the source on, and with it what the table ``hydration`` holds. A command
in a shell without it would take what the worker made of it for wrong, and an ``apply`` would empty it.
"""

from sqlalchemy import Engine

from connector.config import Config
from connector.mirror import rules
from connector.mirror.database import transaction
from connector.mirror.mapping import sources_of


def as_mirrored(engine: Engine, config: Config) -> Config:
    """The configuration, where it has no source with that by which the mirror was made; it can ask nobody.

    Only a worker's start switches a source off. Raises ``DatabaseOutage``.
    """
    if config.sources is not None:
        return config
    with transaction(engine) as connection:
        written = rules.recorded(connection).get(rules.MAPPING, "")
    found = sources_of(written)
    return config if found is None else config.model_copy(update={"sources": found})
