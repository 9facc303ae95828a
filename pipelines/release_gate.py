"""The gate before release: a corpus that can be answered without its pictures is not published by accident."""

import duckdb

from pipelines.errors import UserError
from schemas.audit import Audit
from stages.shortcut import release_fault


def check_gate(connection: duckdb.DuckDBPyConnection, allow_shortcuts: bool) -> None:
    """Passes where no audit failed; a dataset that was never audited has none to fail.

    Raises:
        UserError: an audit failed, and nobody said that this is all right.
    """
    if allow_shortcuts:
        return
    cursor = connection.execute("from audits where outcome = 'fail' order by style, hop_count, view")
    names = [column[0] for column in cursor.description or ()]
    failed = [Audit.model_validate(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    if failed:
        raise UserError(
            f"its words tell the answers: {release_fault(failed)}; --allow-shortcuts publishes all the same"
        )
