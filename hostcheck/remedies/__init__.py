"""What to do about a finding: where, which command, what has to follow, and what it risks. One module a topic."""
