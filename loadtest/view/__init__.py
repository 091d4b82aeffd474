"""How a run is shown: a live terminal, lines, Markdown, one HTML file."""
