"""Tables as documents for readers: Markdown, LaTeX and CSV."""
