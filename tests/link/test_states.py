"""The states of both dialects, as the contract of the status documents them."""

from typing import get_args

import pytest

from k1edge.link.dialect import LinkState
from k1edge.link.trinity_health import TOLD, Health
from k1edge.snapshot import NodeStatus

ROWS = {cells[1].strip(): cells[2:] for line in (NodeStatus.__doc__ or "").splitlines() if len(cells := line.split("|")) > 3}


def test_every_state_of_the_link_is_one_of_the_status_and_has_its_row() -> None:
    states = {state.value for state in LinkState}
    assert set(get_args(NodeStatus.model_fields["state"].annotation)) == states
    assert states <= set(ROWS)


@pytest.mark.parametrize("health", Health)
def test_every_health_of_the_untimed_dialect_is_in_the_row_of_its_state_and_leads_its_reason(health: Health) -> None:
    state, reason = TOLD[health]
    assert health.value in ROWS[state.value][1]
    assert (reason is None) == (state is LinkState.READY)
    assert reason is None or reason.startswith(f"{health.value}: ")
