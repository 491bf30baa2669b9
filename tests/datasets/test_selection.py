from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redloom.datasets.selection import sample

_slugs = st.lists(st.text(max_size=5), max_size=40, unique=True)


@given(_slugs, st.integers(0, 50), st.integers(), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order(
    slugs: list[str], size: int, seed: int, random: object
) -> None:
    drawn = sample(slugs, size=size, seed=seed)
    shuffled = list(slugs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sample(shuffled, size=size, seed=seed) == drawn
    assert drawn <= set(slugs)
    assert len(drawn) == min(size, len(slugs))


@given(_slugs, st.integers(0, 40), st.integers())
def test_a_larger_sample_holds_the_smaller_one(slugs: list[str], size: int, seed: int) -> None:
    assert sample(slugs, size=size, seed=seed) <= sample(slugs, size=size + 1, seed=seed)


def test_another_seed_draws_another_sample() -> None:
    slugs = [str(n) for n in range(100)]
    drawn = {sample(slugs, size=10, seed=seed) for seed in range(50)}
    assert len(drawn) == 50


def test_every_slug_is_drawn_about_as_often() -> None:
    slugs = [str(n) for n in range(10)]
    counts = dict.fromkeys(slugs, 0)
    for seed in range(2000):
        for slug in sample(slugs, size=3, seed=seed):
            counts[slug] += 1
    # 2000 draws at 0.3: five standard deviations are 102
    assert all(abs(count - 600) < 102 for count in counts.values())
