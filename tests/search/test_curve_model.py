"""Beliefs about a curve of scores: what a probe teaches, and where a crossing is expected."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_vmaf.search import curve_shapes
from pytest_vmaf.search.curve_model import information, logit, needed, priors, weights
from pytest_vmaf.search.curve_shapes import shape_of


@pytest.mark.parametrize("share", [-3.0, 0.0, 1e-9, 0.5, 1.0, 1.2])
def test_logit_is_finite(share: float) -> None:
    assert np.isfinite(logit(share))


def test_logit_grows_and_is_odd() -> None:
    logits = [logit(share) for share in np.linspace(0, 1, 101)]
    assert np.all(np.diff(logits) > 0)
    assert logits == pytest.approx([-value for value in reversed(logits)])


def test_priors_fall_by_the_slope_over_the_range() -> None:
    for belief in priors(52, -0.13):
        assert belief.mean[0] - belief.mean[-1] == pytest.approx(0.13 * 51)
        assert np.all(np.diff(belief.mean) < 0)


@pytest.mark.parametrize(("name", "scale"), [("libx264", range(52)), ("libsvtav1", range(1, 64)), ("mine", range(99))])
def test_window_is_a_part_of_the_scale(name: str, scale: range) -> None:
    """What is expected of a CRF does not depend on the window."""
    shape, last = shape_of(name, scale), len(scale) - 1
    whole, part = priors(last + 1, -0.1, shape), priors(21, -0.1, shape, (10 / last, 30 / last))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_allclose(one.mean[10:31], other.mean, atol=1e-3)
        np.testing.assert_allclose(one.covariance[10:31, 10:31], other.covariance, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "scale", "shape"),
    [
        ("libsvtav1", range(1, 64), "AV1"),
        ("librav1e", range(1, 256), "AV1"),
        ("SvtAv1EncApp", range(1, 64), "AV1"),
        ("hevc_nvenc", range(1, 52), "H26X"),
        ("libvvenc", range(64), "H26X"),
        ("libx264", range(101), "STRAIGHT"),
        ("libx264", range(51, -1, -1), "STRAIGHT"),
        ("mpeg2video", range(2, 32), "STRAIGHT"),
    ],
)
def test_shape_of_an_encoder(name: str, scale: range, shape: str) -> None:
    assert shape_of(name, scale).bends[0] == getattr(curve_shapes, shape)


def test_measured_crf_is_certain() -> None:
    for prior in priors(52, -0.13):
        belief = prior.after(20, 3.0)
        assert belief.mean[20] == pytest.approx(3.0)
        assert belief.covariance[20, 20] == pytest.approx(0.0, abs=1e-9)
        assert belief.covariance[21, 21] < belief.covariance[30, 30] < prior.covariance[30, 30]


def test_order_of_measurements_is_irrelevant() -> None:
    prior = priors(40, -0.1)[2]
    one = prior.after(5, 4.0).after(30, 1.0).after(12, 3.1)
    other = prior.after(12, 3.1).after(30, 1.0).after(5, 4.0)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-9)
    assert one.evidence == pytest.approx(other.evidence)


def test_posterior_equals_the_textbook() -> None:
    """Rasmussen and Williams, equations 2.25, 2.26 and 2.30, solved in one piece."""
    prior = priors(40, -0.1)[1]
    at, logits = [3, 17, 33], np.array([4.2, 2.4, 0.8])
    belief = prior
    for index, value in zip(at, logits, strict=True):
        belief = belief.after(index, value)
    known = prior.covariance[np.ix_(at, at)]
    cross = prior.covariance[:, at]
    off = logits - prior.mean[at]
    np.testing.assert_allclose(belief.mean, prior.mean + cross @ np.linalg.solve(known, off), atol=1e-9)
    np.testing.assert_allclose(belief.covariance, prior.covariance - cross @ np.linalg.solve(known, cross.T), atol=1e-9)
    assert belief.evidence == pytest.approx(-0.5 * (off @ np.linalg.solve(known, off) + np.linalg.slogdet(known)[1]))


def test_pending_probe_moves_no_mean() -> None:
    prior = priors(40, -0.1)[0]
    waiting = prior.after(9)
    np.testing.assert_array_equal(waiting.mean, prior.mean)
    np.testing.assert_allclose(waiting.covariance, prior.after(9, 3.3).covariance)
    assert waiting.evidence == prior.evidence


def test_crossing_probabilities() -> None:
    belief = priors(52, -0.13)[0].after(10, 4.0).after(30, 1.4)
    chances = belief.crossing(2.7, 10, 30)
    assert chances.sum() == pytest.approx(1.0)
    assert 10 + int(chances.argmax()) in (19, 20)


def test_straight_curve_favours_its_belief() -> None:
    beliefs = priors(52, -0.13)
    for index in (5, 20, 35, 12, 28):
        beliefs = [belief.after(index, 5.0 - 0.12 * index) for belief in beliefs]
    assert weights(beliefs).sum() == pytest.approx(1.0)
    assert weights(beliefs).argmax() == 0


def test_needed_only_inside_the_bracket() -> None:
    need = needed(priors(52, -0.13), 3.0, 10, 20)
    assert np.all(need[11:20] > 0)
    assert not need[:11].any()
    assert not need[20:].any()
    assert need.max() <= 1


def test_neighbour_of_a_near_hit_is_needed() -> None:
    beliefs = priors(52, -0.13)
    for index in (5, 20, 35):
        beliefs = [belief.after(index, 5.0 - 0.12 * index) for belief in beliefs]
    assert needed(beliefs, 2.55, 20, 35)[21] > 0.9


def test_measured_crf_has_no_information() -> None:
    beliefs = [belief.after(20, 2.6) for belief in priors(52, -0.13)]
    news = information(beliefs, 3.0, -1, 20, 0.13)
    assert news[20] == pytest.approx(0.0, abs=1e-6)
    assert news[:20].max() > 0.5
