"""Apache Kafka's jars from Maven Central, resolved once into a cache folder.

Kafka's own POM pins every library that it needs to one version; ``kafka-jars.sha256`` beside this
module pins the bytes. To move to another version: change ``KAFKA_VERSION`` and ``JARS_BYTES``, delete the
checksums' lines, run ``sha256sum *.jar`` in the new cache folder into that file.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from connector.errors import StartupError
from connector.local.download import Download
from connector.local.processes import Child
from connector.local.stopping import Until, try_lock, wait_until

log = structlog.get_logger(__name__)

Report = Callable[[str], None]
"""Is called often while something takes long, with how far it is; empty where that is not known."""

KAFKA_VERSION = "4.2.2"
SCALA_VERSION = "2.13"
SLF4J_VERSION = "1.7.36"
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
OLDEST_JAVA = 17
JARS_BYTES = 45_104_202  # du -bc *.jar
DOWNLOAD_TIMEOUT_SECONDS = 900
CHECKSUMS = Path(__file__).with_name("kafka-jars.sha256")

POM = f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>xtnd</groupId><artifactId>kafka-jars</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA_VERSION}</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>{SLF4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def quiet(_: str) -> None:
    """Report to nobody."""


def cache_folder() -> Path:
    """Give the folder for this version's jars: under ``XTND_CACHE_DIR``, else the user's cache."""
    root = os.environ.get("XTND_CACHE_DIR") or "~/.cache/xtnd-connector"
    return Path(root).expanduser().absolute() / f"kafka-{KAFKA_VERSION}"


def find_java() -> str | None:
    """Find a Java that can run Kafka, in ``JAVA_HOME`` or on the path; ``None`` when there is none."""
    home = os.environ.get("JAVA_HOME")
    for java in (home and str(Path(home, "bin", "java")), shutil.which("java")):
        if not java:
            continue
        try:  # macOS has a java that is none
            answer = subprocess.run(
                [java, "-version"], capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
        if found and int(found[1]) >= OLDEST_JAVA:
            return java
    return None


def kafka_is_possible() -> bool:
    """Whether Apache Kafka can run here: Java, and its jars or Maven to fetch them."""
    # The folder of the jars appears only when it is complete.
    return find_java() is not None and (cache_folder().is_dir() or shutil.which("mvn") is not None)


class KafkaJars:
    """The jars of the version that this runs, in the user's cache.

    ``until`` waits for a condition, ``report`` gets how far a download is.
    """

    def __init__(self, until: Until = wait_until, report: Report = quiet) -> None:
        self._until = until
        self._report = report

    def resolve(self) -> Path:
        """Give the folder with Kafka's jars, fetching them at first use (about 45 MB).

        What is there is checked against the pinned bytes each time (70 ms): a user who can write to the
        cache could otherwise run code here. What differs is fetched again.

        Safe to run twice at the same time: a lock file lets one fetch and the other wait. Raises
        ``StartupError`` when Maven cannot reach a repository or a jar is not the pinned one.
        """
        folder = cache_folder()
        if folder.is_dir() and not foreign_jars(folder):
            return folder
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_file = folder.with_name(f"{folder.name}.lock")
        with lock_file.open("w") as lock:
            if not self._until(lambda: try_lock(lock), timeout_seconds=DOWNLOAD_TIMEOUT_SECONDS):
                raise self._not_fetched(
                    f"another process has locked {lock_file} for {DOWNLOAD_TIMEOUT_SECONDS} s"
                )
            if folder.is_dir():
                self._remove_foreign(folder)
            if not folder.is_dir():
                self._fetch_into(folder)
        return folder

    @staticmethod
    def _remove_foreign(folder: Path) -> None:
        """Take away a cache that is not the pinned jars; ``StartupError`` where none can be fetched."""
        foreign = foreign_jars(folder)
        if not foreign:
            return
        listed = ", ".join(foreign)
        what = f"The jars of Apache Kafka {KAFKA_VERSION} in {folder} are not the pinned ones: {listed}"
        if shutil.which("mvn") is None:
            raise StartupError(what, f"remove them (rm -r {folder}), install Maven, and start again")
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StartupError(
                f"{what}; and they cannot be removed: {error.strerror}", f"rm -r {folder}"
            ) from error
        log.warning("the cached jars were not the pinned ones; fetching them again", jars=foreign)

    def _fetch_into(self, folder: Path) -> None:
        """Download beside the folder and rename, so that a broken download is never taken for Kafka."""
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=folder.parent) as scratch:
            jars = Path(scratch, "jars")
            Path(scratch, "pom.xml").write_text(POM)
            self.run_maven(Path(scratch), jars)
            verify(jars, CHECKSUMS.read_text())
            jars.rename(folder)

    def run_maven(self, project: Path, jars: Path) -> None:
        """Have Maven put what the ``pom.xml`` of a project names into the folder ``jars``."""
        command = ["mvn", "-B", "-C", "-f", str(project / "pom.xml"), DEPENDENCY_PLUGIN]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        maven = Child("mvn", command, project / "mvn.log")
        names = frozenset(line.split()[1] for line in CHECKSUMS.read_text().splitlines())
        download = Download(maven.log, names, JARS_BYTES)

        def reporting(
            condition: Callable[[], bool], *, timeout_seconds: float, pause_seconds: float = 0.1
        ) -> bool:
            def holds() -> bool:
                self._report(download.text())
                return condition()

            return self._until(holds, timeout_seconds=timeout_seconds, pause_seconds=pause_seconds)

        code = maven.run(reporting, timeout_seconds=DOWNLOAD_TIMEOUT_SECONDS)
        if code != 0:
            raise self._not_fetched(
                f"no end after {DOWNLOAD_TIMEOUT_SECONDS} s" if code is None else maven.last_lines(10)
            )

    @staticmethod
    def _not_fetched(reason: str) -> StartupError:
        return StartupError(
            f"Maven could not fetch Apache Kafka {KAFKA_VERSION}: {reason}",
            "check that mvn reaches a Maven repository (a mirror goes into ~/.m2/settings.xml) and start "
            "again, or give a running broker with --kafka HOST:PORT",
        )


def verify(jars: Path, checksums: str) -> None:
    """Refuse jars that are not exactly the pinned ones; ``checksums`` is ``sha256sum``'s output."""
    if foreign := foreign_jars(jars, checksums):
        raise StartupError(
            f"Maven delivered other jars for Apache Kafka {KAFKA_VERSION} than the pinned ones: "
            f"{', '.join(foreign)}",
            "remove them from the local Maven repository (~/.m2/repository) and from your mirror, "
            "then start again",
        )


def foreign_jars(jars: Path, checksums: str | None = None) -> list[str]:
    """Names of jars that differ from the pinned ones, cannot be read, are missing, or are too many."""
    lines = (checksums or CHECKSUMS.read_text()).splitlines()
    pinned = {name: digest for digest, name in map(str.split, lines)}
    found = dict.fromkeys((jar.name for jar in jars.iterdir() if jar.name.lower().endswith(".jar")), "")
    for name in found:
        with contextlib.suppress(OSError), (jars / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sorted({name for name, _ in set(pinned.items()) ^ set(found.items())})
