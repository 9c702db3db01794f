"""What is said of one subject, host or VM, from every side: its links in order, and its settings."""

import msgspec

from hostcheck.model.judgement import Answer, Evidence, Finding, Link, Machine, Question, Remedy, Status, Verdict


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a manifest as it was asked for, and as it was found in the VM."""

    path: str
    """Kind and dotted path, such as `VMClass spec.cpu`."""
    asked: str
    found: str
    """In the same words as `asked`; empty when nobody could look."""
    source: str = ""
    """Where it was read, such as `live domain XML`."""

    @property
    def differs(self) -> bool:
        """What was found is not what was asked for. Not having looked is no difference."""
        return self.found not in ("", self.asked)


class ChainLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cell of the matrix: a link of the chain on one machine."""

    link: Link
    status: Status
    summary: str
    check: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Chain(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole path for one subject: every link once, in order, and the first that is broken."""

    subject: str
    """Host name, or `namespace/name` of a VM."""
    kind: str
    """`host` or `vm`."""
    verdict: Verdict
    """Of `question`. For a VM: does it run guests. For a host: can its guests nest, unless the other was asked."""
    sentence: str
    links: tuple[ChainLink, ...]
    runs_guests: Answer
    guests_nest: Answer
    broken: Link | None = None
    host: str = ""
    """The subject name of the host that a VM runs on; empty for a host."""
    provider: str = ""
    emulated_cpu: bool = False
    findings: tuple[Finding, ...] = ()
    """All findings, also those that belong to no link."""
    question: Question = Question.RUNS_GUESTS
    """The one that `verdict`, `sentence` and `broken` answer."""
    feature: str = ""
    """`vmx` or `svm`: what the subject's CPU has; empty when it has neither or nobody could look."""
    product: str = ""
    """What runs the VMs, with its version, as the provider says; empty where it does not."""
    machine: Machine | None = None
    """What the subject is, by its own report; None where it gave none."""
    settings: tuple[Setting, ...] = ()
    """Of a VM: what its manifest asks for and what its provider read back."""
