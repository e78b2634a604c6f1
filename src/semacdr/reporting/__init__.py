"""Output for readers: Markdown pages, figures, display names and the HTML report."""
