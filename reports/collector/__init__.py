"""Takes reports over HTTPS, each with the token of its own machine, and shows everything known as a live page."""
