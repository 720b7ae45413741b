"""Which copies are one message, and which number it keeps: the same for every order."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.merge import NOBODY, Cluster, Evidence, Match, gather, match, number, resolve

evidence = st.builds(
    Evidence,
    st.sampled_from([None, "L1", "L2", "L3"]),
    st.sampled_from([None, "P1", "P2", "P3"]),
)


def authors(copies: list[Evidence]) -> list[Evidence]:
    """The merged authors."""
    return [cluster.author for cluster in gather(copies)]


def test_match() -> None:
    """Equal in something known to both is the same; unequal in anything known to both is not."""
    assert match(Evidence("L1", "P1"), Evidence("L1")) is Match.SAME
    assert match(Evidence("L1", "P1"), Evidence("L1", "P2")) is Match.DIFFERENT
    assert match(Evidence("L1"), Evidence("L2")) is Match.DIFFERENT
    assert match(Evidence("L1"), Evidence(None, "P1")) is Match.UNKNOWN
    assert match(NOBODY, NOBODY) is Match.UNKNOWN


def test_copies_that_do_not_contradict_are_one() -> None:
    """One copy knows the LID, one the phone, one nothing: one message that knows both."""
    assert authors([Evidence("L1"), NOBODY, Evidence(None, "P1")]) == [Evidence("L1", "P1")]
    assert authors([Evidence("L1"), Evidence("L1", "P1")]) == [Evidence("L1", "P1")]
    assert authors([NOBODY, NOBODY]) == [NOBODY]


def test_contradicting_copies_are_two() -> None:
    """Two senders that used one id are two messages."""
    assert authors([Evidence("L1"), Evidence("L2")]) == [Evidence("L1"), Evidence("L2")]
    assert len(authors([Evidence("L1", "P1"), Evidence("L1", "P2")])) == 2


def test_unclear_copies_stay_apart() -> None:
    """With two LIDs and a phone it cannot be known whose the phone is: nothing is guessed."""
    assert len(authors([Evidence("L1"), Evidence("L2"), Evidence(None, "P1")])) == 3


@given(st.lists(evidence, min_size=1, max_size=7).flatmap(
    lambda copies: st.tuples(st.just(copies), st.permutations(copies))
))  # fmt: skip
def test_gathering_is_a_function_of_the_set(orders: tuple[list[Evidence], list[Evidence]]) -> None:
    """Every copy has one home, homes do not contradict their copies, and order changes nothing."""
    one, other = orders
    clusters = gather(one)
    assert authors(one) == authors(other)
    assert sorted(member for cluster in clusters for member in cluster.members) == [
        *range(len(one))
    ]
    for cluster in clusters:
        for member in cluster.members:
            assert match(one[member], cluster.author) is not Match.DIFFERENT


def test_numbers_stay_and_are_never_given_again() -> None:
    """A cluster keeps the n of its copies; a new one gets an n that no reader has ever seen."""
    two = (Cluster(Evidence("L1"), (1,)), Cluster(Evidence("L2"), (0, 2)))
    assert number(two, [None, None, None], ()) == (0, 1)
    assert number(two, [0, None, None], (0,)) == (1, 0)
    assert number(two, [0, None, None], (0, 1, 2)) == (3, 0)
    merged = (Cluster(Evidence("L1", "P1"), (0, 1)),)
    assert number(merged, [1, 0], (0, 1)) == (0,)


def test_resolving_fills_and_never_replaces() -> None:
    """A known pair fills what is missing; what an event said itself stays."""
    phones, lids = {"L1": "P1"}, {"P1": "L1"}
    assert resolve(Evidence("L1"), phones, lids) == Evidence("L1", "P1")
    assert resolve(Evidence(None, "P1"), phones, lids) == Evidence("L1", "P1")
    assert resolve(Evidence("L1", "P9"), phones, lids) == Evidence("L1", "P9")
    assert resolve(NOBODY, phones, lids) == NOBODY
