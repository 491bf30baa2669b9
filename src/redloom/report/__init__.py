"""Results as data first, then as HTML, Markdown and JSON."""
