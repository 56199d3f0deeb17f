"""Pages of the project, and what generates some of them."""
