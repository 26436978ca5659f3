"""The web server `emnist serve`: a page to draw on, and an interface for programs."""
