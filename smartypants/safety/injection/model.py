"""SecureVector Guardian: a linear model over words and characters, in pure Python."""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from smartypants.errors import SetupError

if TYPE_CHECKING:
    from svguardian.model.pure_infer import PureGuardian


class GuardianDetector:
    """Scores a passage and its windows by the model that the package carries.

    Raises `SetupError` where the package is not installed.
    """

    threshold = 0.9

    def score(self, text: str) -> float:
        """0 to 1."""
        guardian = self._guardian
        from svguardian.window import predict_windowed

        return float(predict_windowed(guardian, text)["malicious_score"])

    @cached_property
    def _guardian(self) -> PureGuardian:
        try:
            from svguardian.model.pure_infer import PureGuardian
        except ImportError as exc:
            raise SetupError(
                "The model for injection detection is not installed.",
                "Install it: pip install 'smartypants[safety]'.",
            ) from exc
        # By its place, since the package's own look-up would fall back to a download.
        path = resources.files("svguardian") / "_runtime" / "guardian.runtime.json.gz"
        return PureGuardian.load(str(path))


PLUGIN = GuardianDetector
