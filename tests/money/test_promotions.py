from __future__ import annotations

import pytest

from hinode.errors import BadInput
from hinode.money import promotions
from hinode.money.ledger.accounts import lots
from hinode.records.database import Database


@pytest.mark.both_databases
def test_a_code_gives_credit_once_to_each_project_up_to_its_limit(database: Database) -> None:
    with database.write() as connection:
        made = promotions.create(
            connection, 5_000_000, "USD", 1.0, code="sunrise", days=1, max_uses=2, expires_at=50.0
        )
        drawn = promotions.create(connection, 1, "USD", 1.0)
    assert (made.id, len(drawn.id)) == ("SUNRISE", 12)

    def redeem(project_id: str, now: float, code: str = " sunrise ") -> None:
        with database.write() as connection:
            promotions.redeem(connection, code, project_id, now)

    redeem("proj_1", 2.0)
    with pytest.raises(promotions.InvalidCode, match="has redeemed the code already"):
        redeem("proj_1", 3.0)
    redeem("proj_2", 3.0)
    for project, now, code in (
        ("proj_3", 4.0, "SUNRISE"),
        ("proj_3", 50.0, "SUNRISE"),
        ("proj_3", 4.0, "NOTHING"),
    ):
        with pytest.raises(promotions.InvalidCode, match="unknown, used up or expired"):
            redeem(project, now, code)
    with pytest.raises(promotions.InvalidCode, match="no promo code"):
        redeem("proj_3", 4.0, "a b")
    with database.write() as connection:
        [lot] = lots(connection, "proj_1")
        assert (lot.available, lot.expires_at) == (5_000_000, 2.0 + 86_400)
        assert [code.uses for code in promotions.every(connection)] in ([2, 0], [0, 2])
        with pytest.raises(BadInput, match="is there already"):
            promotions.create(connection, 1, "USD", 1.0, code="SUNRISE")
        promotions.end(connection, drawn.id, 5.0)
    with pytest.raises(promotions.InvalidCode):
        redeem("proj_1", 6.0, drawn.id)
