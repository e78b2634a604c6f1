"""Item semantics: a sentence encoder or a language model describes items and files them under categories."""
