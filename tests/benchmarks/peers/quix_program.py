"""The Quix Streams application, run with the Python of the peer's own virtual environment.

One argument: a JSON object with ``application``, ``topic`` and ``sink``, the arguments of each.
"""

import json
import sys

from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    application = Application(**settings["application"])
    topic = application.topic(settings["topic"], value_deserializer="json")
    application.dataframe(topic).sink(PostgreSQLSink(**settings["sink"]))
    application.run()
