"""Trained models in use: scores and recommendations for known users and for new histories, outside evaluation."""
