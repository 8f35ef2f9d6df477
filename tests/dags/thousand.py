"""A thousand tries within seconds: the scheduler itself ends what has nothing to execute."""

from __future__ import annotations

from versions import EmptyOperator, dag


class Number(EmptyOperator):
    """One of many."""

    def __init__(self, *, number: int, **kwargs):
        super().__init__(**kwargs)


@dag(schedule=None, tags=["test"])
def thousand() -> None:
    Number.partial(task_id="many").expand(number=list(range(1000))) >> EmptyOperator(task_id="last")


thousand()
