"""Share: how much of the traffic is out of scope, by what it looks like? Pure; the pipeline keeps the estimate."""

from dataclasses import dataclass, replace

from fingerpost.types import Decider

_STATED_TEXTS = 200
"""As how many texts the stated share counts, so that the first few move it little."""

_MEMORY_TEXTS = 2_000
"""A text weighs one in so many once as many were seen: what is older is forgotten as traffic changes."""

_BOUND = 4.0
"""By which factor the odds of the estimate may leave those of the stated share: a flood of odd texts must not talk the
server out of answering, nor a flood of plain ones into answering everything."""


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """The share of out-of-scope texts, (0, 1), as it is stated and as it seems."""

    stated: float
    value: float
    texts: int = 0

    def after(self, in_scope: float) -> "ShareEstimate":
        """The estimate when one more text was seen.

        One step of expectation maximisation for the shares of two classes with unlabelled texts (Saerens et al. 2002,
        "Adjusting the Outputs of a Classifier to New a Priori Probabilities"), online with a step for each text (Cappé
        and Moulines 2009, "On-line expectation-maximization algorithm for latent data models").

        Args:
            in_scope: [0, 1]; the chance that the text is in scope where `value` of all texts are not.
        """
        weight = 1.0 / min(_STATED_TEXTS + self.texts + 1, _MEMORY_TEXTS)
        value = self.value + weight * ((1.0 - in_scope) - self.value)
        low, high = bounds(self.stated)
        return replace(self, value=min(max(value, low), high), texts=self.texts + 1)


def bounds(stated: float) -> tuple[float, float]:
    """The smallest and the greatest estimate beside a stated share, (0, 1)."""
    odds = stated / (1.0 - stated)
    low, high = odds / _BOUND, odds * _BOUND
    return low / (1.0 + low), high / (1.0 + high)


def share_now(decider: Decider, known: ShareEstimate | None) -> ShareEstimate | None:
    """What to go on with: what is known while the stated share is the same; None where the policy wants no estimate."""
    if not decider.policy.adapt_out_of_scope_share or decider.scope_map is None:
        return None
    stated = decider.scope_map.out_of_scope_share
    return known if known is not None and known.stated == stated else ShareEstimate(stated, stated)
