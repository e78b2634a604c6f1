"""The alignment of views and the fusion of signals, checked by hand."""

import math

import pytest
import torch

from semacdr.models.semacdr import Fusion
from semacdr.models.views import contrast

A = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
B = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])


def test_contrast_by_hand():
    cosines = [[1, 1, 0], [0, 0, 1], [2**-0.5, 2**-0.5, 2**-0.5]]
    rows = [-row[i] / 0.5 + math.log(sum(math.exp(c / 0.5) for c in row)) for i, row in enumerate(cosines)]
    assert contrast(A, B, 0.5).item() == pytest.approx(sum(rows) / 3)


def test_fusion_has_a_weight_for_each_signal_and_starts_as_the_average():
    fusion = Fusion(2, learned=True)
    for start in (fusion, Fusion(2, learned=False)):
        torch.testing.assert_close(start([A, B]), (A + B) / 2)
    with torch.no_grad():
        fusion.weight.copy_(torch.tensor([2.0, -1.0]))
    torch.testing.assert_close(fusion([A, B]), 2 * A - B)
