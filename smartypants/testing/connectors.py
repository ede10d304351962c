"""What any `Connector` does."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace

import pytest

from smartypants.attachments import container
from smartypants.errors import DocumentError
from smartypants.protocols import Connector
from smartypants.types import DocumentRef


class ConnectorContract:
    """What any `Connector` does.

    Give the fixtures `connector` and `known`: documents of that source, each with its bytes.
    """

    def test_source_has_a_lasting_id(self, connector: Connector) -> None:
        assert connector.source_id == connector.source_id
        assert 0 < len(connector.source_id) <= 32
        assert connector.uri

    def test_lists_the_same_again(self, connector: Connector) -> None:
        assert list(connector.discover()) == list(connector.discover())

    def test_listed_documents_are_distinct_and_its_own(self, connector: Connector) -> None:
        refs = list(connector.discover())
        assert len({ref.document_id for ref in refs}) == len(refs)
        for ref in refs:
            assert ref.source_id == connector.source_id
            assert ref.name
            assert container(ref.uri) is None
            assert 0 < len(ref.etag) <= 300
            assert pickle.loads(pickle.dumps(ref)) == ref

    def test_listed_documents_can_be_fetched(self, connector: Connector) -> None:
        for ref in connector.discover():
            assert len(connector.fetch(ref)) == ref.size

    def test_fetches_the_bytes(
        self, connector: Connector, known: Sequence[tuple[DocumentRef, bytes]]
    ) -> None:
        assert [connector.fetch(ref) for ref, _ in known] == [data for _, data in known]

    def test_document_that_has_gone(
        self, connector: Connector, known: Sequence[tuple[DocumentRef, bytes]]
    ) -> None:
        ref = known[0][0]
        with pytest.raises(DocumentError) as caught:
            connector.fetch(replace(ref, uri=f"{ref.uri}-gone", etag="gone"))
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
