"""A feature file for Kubernetes' Node Feature Discovery: labels of the node that was checked.

It belongs on that node in /etc/kubernetes/node-feature-discovery/features.d/, written there by
`nestproof check --report nfd=FILE`. A workload that nests then selects its nodes by
`nestproof.io/guests-nest In (PROVEN, DEGRADED)`. Format: the local feature source of NFD, one `name=value` a line.
"""

from reports.formats import FormatError
from reports.matrix import Matrix


def matrix_nfd(matrix: Matrix) -> str:
    """The labels of the one host of the matrix. Raises FormatError when there is none or more than one."""
    hosts = [row.chain for row in matrix.rows if row.chain.kind == "host"]
    if len(hosts) != 1:
        raise FormatError(f"a Node Feature Discovery file speaks of one node, and here are {len(hosts)} hosts")
    (host,) = hosts
    labels = {
        "runs-guests": host.runs_guests.verdict.value,
        "guests-nest": host.guests_nest.verdict.value,
        "feature": host.feature or "none",
        "emulated": str(host.emulated_cpu).lower(),
    }
    return "".join(f"nestproof.io/{name}={value}\n" for name, value in labels.items())
