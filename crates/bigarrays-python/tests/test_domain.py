import pickle

import pytest

from bigarrays import Domain, InvalidArgumentError


def test_every_spelling_of_a_box_is_the_same() -> None:
    domain = Domain("-3:5,0:2")
    for other in (Domain([(-3, 5), (0, 2)]), Domain((slice(-3, 5), slice(0, 2))), Domain(domain), Domain(domain.slices)):
        assert other == domain and hash(other) == hash(domain)
    assert Domain.from_shape((8, 2), origin=(-3, 0)) == domain == pickle.loads(pickle.dumps(domain))
    assert domain != "-3:5,0:2" and domain != Domain("-3:5,0:3")
    assert str(domain) == "-3:5,0:2" and eval(repr(domain)) == domain


def test_a_domain_is_a_sequence_of_ranges() -> None:
    domain = Domain("-3:5,0:2")
    assert list(domain) == [(-3, 5), (0, 2)] == list(domain.ranges)
    assert (len(domain), domain[0], domain[-1]) == (2, (-3, 5), (0, 2))
    with pytest.raises(IndexError):
        domain[2]


def test_relations() -> None:
    domain = Domain("-3:5,0:2")
    assert (domain & "0:9,1:9") == Domain("0:5,1:2")
    assert (-3, 1) in domain and (5, 1) not in domain and (0,) not in domain
    assert "0:5,0:1" in domain and Domain("0:6,0:1") not in domain
    assert domain.translate((3, -1)) == Domain("0:8,-1:1")
    with pytest.raises(InvalidArgumentError):
        domain & "0:3"
    with pytest.raises(InvalidArgumentError):
        domain.translate((1,))


@pytest.mark.parametrize("bad", ["", "1:0", "0:5:2", [(0, 1, 2)], [slice(None, 4)], [slice(0, 4, 2)], [3]])
def test_nonsense_is_refused(bad: str) -> None:
    with pytest.raises(InvalidArgumentError):
        Domain(bad)
    with pytest.raises(TypeError):
        Domain(7)  # type: ignore[arg-type]
