"""The fixtures of the API's and the command line's tests."""

from tests.api.conftest import backend, ledger_url, model_folder, services  # noqa: F401
from tests.cli.test_access import command  # noqa: F401
from tests.ledger.conftest import source  # noqa: F401
