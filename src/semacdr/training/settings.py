"""Settings of training, without torch: the planner, the config schema and the command line read this class."""

from dataclasses import dataclass
from typing import Literal

from semacdr.runtime.settings import Count, Natural, NonNegative, Positive, Share, setting


@dataclass(frozen=True)
class Training:
    """How a model is trained. The values are the SemaCDR paper's (section 3.1.3) where the paper gives one."""

    loss: Literal["bpr", "bce", "gbce", "sampled_softmax", "ce"] | None = setting(
        "bpr", "loss over training steps; null for a non-learned baseline"
    )
    train_negatives: Count = setting(1, "negatives of each step, for the losses bpr, bce and gbce")
    shared_negatives: Count = setting(1000, "negatives that a batch shares, for the loss sampled_softmax")
    calibration: Share = setting(0.75, "t of the loss gbce: 0 is bce, 1 fully corrects the sampling bias")
    batch_size: Count = setting(256, "users in a batch")
    max_length: Count = setting(100, "number of latest events of a sequence that the model reads")
    visibility: Literal["causal", "all", "none"] = setting(
        "causal",
        "source events that a step sees: those before its positive (causal), all (measures the leak of future events), "
        "or none: training and ranking use no source event at all (measures what the source domain is worth)",
        tunable=False,
    )
    learning_rate: Positive = setting(0.001, "learning rate of Adam")
    warmup_steps: Natural = setting(0, "steps in which the learning rates grow linearly from zero to their value")
    semantic_learning_rate: Positive = setting(0.001, "learning rate of the semantic parameters (paper, appendix E)")
    weight_decay: NonNegative = setting(0.0, "weight decay of Adam")
    decoupled_weight_decay: bool = setting(False, "weight decay apart from the gradient, as in AdamW")
    epochs: Count = setting(200, "epochs at most", tunable=False)
    patience: Count = setting(
        10,
        "epochs without a better validation NDCG@10 before training stops; it counts from the first epoch that is "
        "clearly better than popularity",
        tunable=False,
    )
    plateau_epochs: Count = setting(50, "epochs that training may take to become better than popularity", tunable=False)
    evaluation_batch: Count = setting(512, "users in a batch of validation", tunable=False)
    precision: Literal["float32", "bfloat16"] = setting(
        "float32",
        "precision of the encoders; bfloat16 needs CUDA; losses and scores are always float32",
    )
    deterministic: bool = setting(
        False,
        "the same seed gives the same bytes on CUDA too, but more slowly; a CPU always does this",
        tunable=False,
    )


@dataclass(frozen=True)
class Options:
    """What a training run may use of the machine."""

    threads: Count = setting(1, "torch threads; another number changes rounding")
    save_minutes: NonNegative = setting(
        5.0, "minutes after which an unfinished training saves its state again, at the end of an epoch"
    )
