"""libvirt, embedded or at any URI: from a wanted VM to a running domain and back. `provider` is the way in."""

import os

# libvirt logs to stderr, and reads this when its library is loaded; every error reaches us as an exception anyway.
os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null")
