"""Other projects' ingestion and search, each a script for an environment of its own."""
