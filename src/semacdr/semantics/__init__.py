"""What describes items and files them: the frozen sentence encoder, or a language model."""
