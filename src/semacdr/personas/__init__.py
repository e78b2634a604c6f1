"""Personas: what a user's training events say of him in a vocabulary that both domains share, and similar users."""
