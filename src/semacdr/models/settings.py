"""Settings that several models share, without torch: the planner reads them, and models extend them."""

from dataclasses import dataclass
from typing import Literal

from semacdr.runtime.settings import Count, NonNegative, Positive, ProperShare, setting


@dataclass(frozen=True)
class CommonSettings:
    """Settings for which the SemaCDR paper gives one value for all models (section 3.1.3, appendix C)."""

    dim: Count = setting(64, "width of item vectors and states")
    blocks: Count = setting(2, "Transformer blocks")
    dropout: ProperShare = setting(0.5, "dropout rate")


@dataclass(frozen=True)
class BackboneSettings:
    """Settings of a model with a vector of each user and item (semacdr.models.backbone)."""

    dim: Count = setting(64, "width of user and item vectors")
    l2: NonNegative = setting(0.0001, "half the weight of the squared parameters that a step reads")
    dropout: ProperShare = setting(0.0, "dropout of user and item vectors")


@dataclass(frozen=True)
class EncoderSettings(CommonSettings):
    """Settings of a model whose sequences are encoded by semacdr.models.layers.Encoder."""

    norm: Literal["original", "pre", "post"] = setting(
        "original", "where a Transformer block normalises: as in SASRec's code, before or after each part"
    )


@dataclass(frozen=True)
class EnhancedSettings(EncoderSettings):
    """Settings of a model that SemaCDR's item semantics can enhance (semacdr.models.views.Enhancement)."""

    semantics: bool = setting(False, "add SemaCDR's item semantics: the model's enhanced form")
    semantic_weight: NonNegative = setting(1.0, "weight of SemaCDR's eq. 3, summed over pairs of views and domains")
    semantic_temperature: Positive = setting(0.5, "tau of SemaCDR's eq. 3, which the paper's text lacks")
    semantic_items: Count = setting(1024, "items of a domain and batch in eq. 3, at most")
