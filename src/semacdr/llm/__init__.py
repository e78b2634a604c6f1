"""Asking a language model: requests, the store of paid answers, an OpenAI-compatible endpoint, a local server."""
