"""The sampled quantile beside a sort."""

import numpy as np
import pytest

from lookdown.kernels.sampled import sampled_quantile


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 5), (64, 63), (30, 200)])
@pytest.mark.parametrize("step", [1, 2, 9])
@pytest.mark.parametrize("kind", ["noise", "ties", "sorted", "NaN"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_equal_to_that_of_a_sort(shape: tuple[int, int], step: int, kind: str, share: float) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    x = {"noise": x, "ties": np.rint(x), "sorted": np.sort(x, axis=None).reshape(shape), "NaN": x}[kind]
    samples = x[::step, ::step].size
    if kind == "NaN":
        x[...] = np.nan
        assert np.isnan(sampled_quantile(x, step, share, np.zeros(samples, np.float32)))
        return
    wanted = np.sort(x[::step, ::step], axis=None)[int(share * samples)]
    assert sampled_quantile(x, step, share, np.full(samples, 7, np.float32)) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame", np.zeros((3, 0), np.float32)),
        ("frame", np.zeros((4, 4))),
        ("step", 0),
        ("share", 1.0),
        ("share", -0.1),
        ("scratch", np.zeros(15, np.float32)),
        ("scratch", np.zeros(16)),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: object) -> None:
    given = {"frame": np.zeros((4, 4), np.float32), "step": 1, "share": 0.5, "scratch": np.zeros(16, np.float32)}
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        sampled_quantile(*(given | {name: value}).values())
