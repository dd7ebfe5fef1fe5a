"""The jinja2 templates of the HTML report."""
