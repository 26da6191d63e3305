"""What fixes an error of the database, for a person."""

from sqlalchemy.exc import DBAPIError

from connector.errors import ArchiveAway
from connector.mirror import archive_places, dialects
from connector.mirror.dialects.fixes import START_IT

__all__ = ["START_IT", "driver_error", "fix"]


def driver_error(error: BaseException) -> BaseException | None:
    """The database driver's own error behind another; None where there is none."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, DBAPIError):
            return found.orig
        if dialects.of_error(found):
            return found
        found = found.__cause__
    return None


def fix(error: BaseException) -> str | None:
    """What fixes it; None for an error that is none of the database's or of archives, and for a defect."""
    if isinstance(error, ArchiveAway):
        return archive_places.REACH
    original = driver_error(error)
    dialect = dialects.of_error(original) if original else None
    return dialect.fix(original) if dialect else None
