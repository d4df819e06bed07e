"""Who still wants a job: when several asked for the same, one who leaves does not end it for the others."""

import threading
from collections import OrderedDict
from typing import final

MOST = 10_000
"""Jobs that are remembered; of those asked for before them, whoever leaves ends one."""


@final
class Wanted:
    """By job, the members who asked for it; in a lab without members everybody is the same one, None."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_job: OrderedDict[str, set[int | None]] = OrderedDict()

    def add(self, job: str, who: int | None, new: bool) -> None:
        """`who` asked for the job, which is `new` or goes on from when others asked."""
        with self._lock:
            others = set[int | None]() if new else self._by_job.pop(job, set())
            self._by_job[job] = others | {who}
            while len(self._by_job) > MOST:
                self._by_job.popitem(last=False)

    def leave(self, job: str, who: int | None) -> bool:
        """Whether nobody else wants the job, now that `who` does not."""
        with self._lock:
            left = self._by_job.get(job, set())
            left.discard(who)
            return not left
