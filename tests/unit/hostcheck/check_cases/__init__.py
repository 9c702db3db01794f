"""For every check and every result that it can give: a machine on which it gives it, and the remedies that it names."""

from check_cases import cpu, device, engine, firmware, guest, host, machine, modules, nested, policy, proof, rivals
from check_cases.case import Case

ROOMS = (machine, cpu, firmware, modules, device, proof, nested, engine, rivals, host, guest, policy)
CASES: tuple[Case, ...] = tuple(case for room in ROOMS for case in room.CASES)
