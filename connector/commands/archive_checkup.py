"""The part of ``connector check`` that looks at archives: each file, and where the next ones go."""

import errno
from collections.abc import Iterator

from connector.commands.checkup import CheckResult
from connector.config import Config
from connector.errors import ArchiveAway, ConnectorError, StartupError
from connector.mirror import archive_places, database, steps
from connector.mirror.archive_places import ArchivePlace
from connector.mirror.archives import Archives, StoredArchive


class ArchiveCheckup:
    """What one mirror knows of its archives; ``deep`` reads each and compares its SHA-256."""

    def __init__(self, config: Config, *, deep: bool) -> None:
        self._config = config
        self._deep = deep

    def results(self) -> Iterator[CheckResult]:
        """Look for each file that the mirror knows.

        Nothing is yielded where nothing is archived or to be archived. What the database answers instead of
        its archives is reported by the check of it.
        """
        known = self._known()
        faults = [fault for one in known if (fault := self._fault(one))]
        yield from faults
        if known and not faults:
            found = (
                "each is as it was written" if self._deep else "each is there with its size (--deep reads it)"
            )
            yield CheckResult(f"archives: {len(known)}; {found}")
        if self._config.mirror.retention is not None:
            yield self._place(self._config.mirror.retention.archive)

    def _known(self) -> list[StoredArchive]:
        try:
            engine = database.connect(self._config.database, access="read")
            steps.require(engine)
            with database.transaction(engine) as connection:
                return list(Archives(connection).readable().values())
        except ConnectorError:
            return []

    def _fault(self, archive: StoredArchive) -> CheckResult | None:
        what = f"archive of {archive.month}"
        try:
            place = ArchivePlace(archive.file)
            place.require_size(archive.size_bytes)
            if self._deep:
                place.opened(archive.sha256).close()
        except StartupError as error:  # with DatabaseDamaged, which has its own fix
            return CheckResult(what, error.what, error.cure)
        except ArchiveAway as error:
            return CheckResult(what, str(error), archive_places.REACH)
        return None

    @staticmethod
    def _place(folder: str) -> CheckResult:
        what = f"mirror.retention.archive, {folder}"
        try:
            archive_places.require()
        except StartupError as error:
            return CheckResult(what, error.what, error.cure)
        refusal = ArchivePlace(folder).refusal()
        if refusal is None:
            return CheckResult(f"{what}: files can be written there")
        # As where workers alone run: they read archives.
        read_only = isinstance(refusal, OSError) and refusal.errno == errno.EROFS
        cure = (
            "run connector archive and connector forget where it can be written to"
            if read_only
            else "make the folder or bucket, give this user the right to write there, or name another; "
            "the login of a service is in its own variables"
        )
        return CheckResult(what, f"no file can be written there: {refusal}", cure, warns=read_only)
