"""What any `VectorStore` does."""

from __future__ import annotations

from smartypants.testing._vectorstore_completeness import Completeness
from smartypants.testing._vectorstore_filtering import Filtering
from smartypants.testing._vectorstore_scanning import Scanning
from smartypants.testing._vectorstore_searching import Searching
from smartypants.testing._vectorstore_writing import Writing


class VectorStoreContract(Writing, Searching, Filtering, Completeness, Scanning):
    """What any `VectorStore` does. Give the class-scoped fixture `store`, which is running."""
