"""The connector on one machine: broker, database file and all processes under one command.

Only what most commands ask for is loaded with the package; ``stack`` runs everything, ``demo`` the shop too.
"""

from connector.local.data_dir import DataFolder, endpoints

__all__ = ["DataFolder", "endpoints"]
