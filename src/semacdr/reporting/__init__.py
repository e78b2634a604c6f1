"""Everything that users read: Markdown pages, figures, display names and the HTML report."""
