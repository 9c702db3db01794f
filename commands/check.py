"""`nestproof check`: judge this machine."""

from pathlib import Path

import click

from commands.options import Finite, format_option, reports_option, store_option
from commands.output import Terminal
from hostcheck.exits import Exit, of_verdict, worst
from hostcheck.model import Arrival, HostView, Question, VmView

LOOKING, MEASURING = 10.0, 40.0
"""Seconds that the agent may take on a machine."""
NOT_INSIDE = "only the hypervisor was asked: nothing ran inside"


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("-i", "--inventory", "inventories", multiple=True, metavar="FILE",
              help="Hosts from a file, or from standard input where it is `-`: one a line, YAML, or any Ansible "
              "inventory; repeatable.")  # fmt: skip
@click.option("--vm", "vms", multiple=True, metavar="NAME",
              help="Also judge this VM of a hypervisor's API, or `all` of them; repeatable.")  # fmt: skip
@click.option("--ssh-nodes", metavar="USER",
              help="Also look on each node of a proxmox://HOST itself, by ssh as USER: there guests run.")  # fmt: skip
@click.option("--need", type=click.Choice([question.value for question in Question]),
              default=Question.GUESTS_NEST.value, show_default=True,
              help="The question that decides the exit code and whose cause is shown.")  # fmt: skip
@format_option
@store_option
@reports_option
@click.option("--timeout", type=Finite(1, 3600), default=60.0, show_default=True, metavar="SECONDS",
              help="Limit for each remote host, connecting included; looking itself takes at most 10 s.")  # fmt: skip
@click.option("--forks", type=click.IntRange(1, 1000), default=32, show_default=True,
              help="How many hosts to ask at the same time.")  # fmt: skip
@click.option("--sudo", is_flag=True, help="Look as root on remote hosts, by `sudo -n`.")
@click.option("--measure", is_flag=True,
              help="Also measure what exits of guests cost, and grade it; takes some seconds more.")  # fmt: skip
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Use this ssh configuration in place of your own.")  # fmt: skip
@click.option("--classic-kex", is_flag=True,
              help="Prefer key exchanges without a post-quantum part, of those that your ssh configuration permits: "
              "with OpenSSH 9 a sixth of the CPU for each host.")  # fmt: skip
@click.option("--fail-on", type=click.Choice(["fail", "warn"]), default="fail", show_default=True,
              help="With warn, a machine where it works only slowly or emulated exits with 4.")  # fmt: skip
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Thresholds and waivers; default: nestproof.toml in your XDG configuration directory.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show every link, its evidence and every other finding.")
def check(
    targets: tuple[str, ...], inventories: tuple[str, ...], vms: tuple[str, ...], ssh_nodes: str | None, need: str,
    form: str, reports: tuple[tuple[str, Path], ...], timeout: float, forks: int, sudo: bool, measure: bool,
    ssh_config: str | None, classic_kex: bool, fail_on: str, policy_file: Path | None, verbose: bool,
) -> int:  # fmt: skip
    """Judge this machine, or every TARGET, by running guests on it.

    Two questions are answered: does it run guests, and can its guests run guests of their own (nest). Needs no root
    if you may open /dev/kvm; without that permission it says so. TARGET is ssh://[user@]host[:port], [user@]host or
    `local`; hosts are reached by OpenSSH with your configuration, need Python 3.6 or later, and keep nothing. Of
    vsphere://HOST and proxmox://HOST every host is judged by what the API says; nothing runs there, so the best answer
    is CAPABLE (exit code 5), but for Proxmox nodes that --ssh-nodes looks on.

    \b
    nestproof check                          the answer, the broken link, the command that mends it
    nestproof check --need runs-guests       inside a VM: is it a hypervisor itself
    nestproof check --measure                also what exits of guests cost, graded
    nestproof check --report html=host.html  the same as a page
    nestproof check kvm01 ssh://root@kvm02   two hosts
    nestproof check -i inventory.ini --sudo  a whole fleet
    nestproof check vsphere://vc --vm all    every host and VM of a vCenter
    nestproof check proxmox://pve1 --ssh-nodes root    a Proxmox cluster, and guests run on each of its nodes
    """
    from commands.failures import Failure
    from commands.fleet import ask, chosen
    from commands.nodes import Sight, look_on
    from commands.policies import policy_in
    from commands.recording import Recorder, host_entry, host_view_entry, printed, vm_entry
    from hostcheck.chain import host_chain, unreached_chain, vm_chain
    from hostcheck.host_view import view_chain
    from hostcheck.judge import judge
    from hostcheck.reach.ssh import Ssh
    from reports.besides import costs_text, exposed_text
    from reports.text import check_text, matrix_text

    terminal = Terminal()
    policy = policy_in(policy_file)
    recorder = Recorder(terminal)
    estates, others = list[str](), list(targets)
    views, guests, codes = list[HostView](), list[VmView](), list[Exit]()
    if vms or any("://" in target and not target.startswith("ssh://") for target in targets):
        from commands.estates import (
            look,
            split,
        )  # all that providers and manifests need: a third of a plain check's CPU

        estates, others = split(targets)
        looked = look(estates, vms, terminal)
        views, guests, codes = looked.hosts, looked.vms, looked.codes
    if ssh_nodes is not None and not estates:
        raise Failure("--ssh-nodes needs a cluster to ask", hint="nestproof check proxmox://HOST --ssh-nodes root")
    hosts = chosen(others, inventories) if others or inventories or not estates else []
    seconds = MEASURING if measure else LOOKING
    how = Ssh(ssh_config or "", sudo, agent_timeout=seconds, measure=measure, classic_kex=classic_kex)
    asked = ask(hosts, how, limit=forks, timeout=timeout, terminal=terminal)
    sights, interrupted = tuple(Sight(view) for view in views), asked.interrupted
    if ssh_nodes is not None and not interrupted:
        sights, interrupted = look_on(views, ssh_nodes, how, limit=forks, timeout=timeout, terminal=terminal)
    chains, entries = [], []
    for reached in asked.reached:
        name = reached.target.name
        if reached.report is None:
            chains.append(unreached_chain(name, reached.fault))
        else:
            judgement = judge(reached.report, "" if reached.target.local else name, policy)
            name = judgement.name
            chains.append(host_chain(judgement, Question(need)))
        entries.append(host_entry(reached.report, name, reached.fault))
    judged = {}
    for sight in sights:
        judged[sight.view.name] = sight.judge(policy)
        chains.append(view_chain(sight.view, Question(need), judged[sight.view.name]))
        entries.append(host_view_entry(sight.view, sight.report))
    for vm in guests:
        chains.append(vm_chain(vm, None, judged.get(vm.host), NOT_INSIDE))
        entries.append(vm_entry(vm, vm.host, None, Arrival.NOT_AWAITED, NOT_INSIDE))
    recorder.keep(entries)
    matrix = recorder.matrix(chains)
    if form != "text":
        terminal.result(printed(form, matrix))
    elif len(chains) == 1 or (chains and verbose):
        terminal.result("\n".join(check_text(chain, verbose=verbose, **terminal.style()) for chain in chains))
    elif chains:
        terminal.result(matrix_text(matrix, **terminal.style()))
    if form == "text":
        besides = exposed_text(chains, **terminal.style())
        besides += costs_text(chains, **terminal.style()) if measure else ""
        if besides:
            terminal.result("\n" + besides)
    recorder.write(matrix, reports)
    if chains and (page := recorder.page()):
        terminal.note(f"page of everything known: {page}")
    if interrupted:
        return Exit.INTERRUPTED
    verdicts = [of_verdict(chain.verdict, fail_on_warn=fail_on == "warn") for chain in chains]
    return worst(codes + verdicts)
