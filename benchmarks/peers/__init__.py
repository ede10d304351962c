"""Other projects' ingestion, each a script for an environment of its own."""
