"""How often somebody undid a placement: after three times in ten minutes it is left to them."""

from collections import deque

FIGHTS = 3
WINDOW_S = 600.0


class Fights:
    """Counted per monitor and decision; a new decision, or a person's word, begins anew.

    A new controller begins anew too: it is started by a person, or by its policy once.
    """

    def __init__(self) -> None:
        self._stood: set[tuple[str, int]] = set()
        self._undone: dict[tuple[str, int], deque[float]] = {}
        self._left: set[tuple[str, int]] = set()

    def stands(self, service: str, epoch: int) -> None:
        """The monitor stands where this decision wants it."""
        self._stood.add((service, epoch))

    def may_begin(self, service: str, epoch: int, now: float) -> bool:
        """The monitor is elsewhere: whether to place it, since nobody keeps undoing it."""
        case = (service, epoch)
        if case in self._left:
            return False
        times = self._undone.setdefault(case, deque())
        if case in self._stood:
            self._stood.discard(case)
            times.append(now)
        while times and now - times[0] > WINDOW_S:
            times.popleft()
        if len(times) > FIGHTS:
            self._left.add(case)
        return case not in self._left

    def forget(self) -> None:
        """Begin anew."""
        self._undone.clear()
        self._left.clear()
