"""The data on disk: the database, the data folder, backups, migrations."""
