"""Numbers as people read them."""

from __future__ import annotations

import pytest

from workbench.names import write_number


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (-0.02, "+.2f", "−0.02"),
        (0.235, "+g", "+0.235"),
        (-1.5, ".1%", "−150.0%"),
        (3, ".2f", "3.00"),
        (-0.004, "+.2f", "0.00"),
        (float("-inf"), ".1f", "−inf"),
    ],
)
def test_a_number_below_zero_has_the_sign_for_minus(value: float, form: str, shown: str) -> None:
    assert write_number(value, form) == shown
