"""``python3 -m agent`` and ``python3 DIR/agent`` start here; the one-file agent has a start of its own."""

import os
import sys

if not __package__:  # started as a directory: what is in it must be importable as "agent"
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from agent.cli import main

sys.exit(main(sys.argv[1:]))
