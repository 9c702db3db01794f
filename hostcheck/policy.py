"""What a site decides for itself: thresholds of the checks, and findings that it puts up with for a while."""

import datetime

import msgspec


class Thresholds(msgspec.Struct, frozen=True, rename="kebab"):
    """Where a figure begins to matter. Names in the file have dashes."""

    cpus_minimum: float = 4
    """CPUs below which a machine that runs VMs is warned about."""
    cpus_recommended: float = 8
    """CPUs from which nothing is said."""
    memory_minimum_gib: float = 8
    """Memory in GiB below which a machine that runs VMs is warned about."""
    memory_recommended_gib: float = 16
    """Memory in GiB from which nothing is said."""
    disk_minimum_gib: float = 20
    """Free GiB for images below which there is a warning."""
    disk_recommended_gib: float = 100
    """Free GiB for images from which nothing is said."""
    steal_percent: float = 5
    """Percentage of CPU time taken by the hypervisor above which there is a warning."""
    exit_us: float = 30
    """Microseconds of an exit to this machine's kernel above which there is a warning."""
    nested_exit_us: float = 100
    """Microseconds of an exit from a guest's guest above which there is a warning."""


THRESHOLDS = {field.encode_name: field for field in msgspec.structs.fields(Thresholds)}


class Waiver(msgspec.Struct, frozen=True):
    """One finding that is known and put up with until the end of a day."""

    check: str
    reason: str
    owner: str
    expires: datetime.date

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.reason}; {self.owner}, until {self.expires}"


class Policy(msgspec.Struct, frozen=True):
    """Thresholds and waivers, and the day on which they are applied. Without a day nothing is waived."""

    thresholds: Thresholds = Thresholds()
    waivers: tuple[Waiver, ...] = ()
    today: datetime.date | None = None
    source: str = ""

    def waiver(self, check: str) -> Waiver | None:
        """The waiver that holds for a check today."""
        return next((w for w in self.waivers if w.check == check and self.today and self.today <= w.expires), None)

    @property
    def expired(self) -> tuple[Waiver, ...]:
        """Waivers whose day has passed."""
        return tuple(w for w in self.waivers if self.today and self.today > w.expires)
