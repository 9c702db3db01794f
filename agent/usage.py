"""The text of --help."""

HELP = """\
nestproof-agent: look at this machine, run guests on it, and report what was seen

  python3 nestproof-agent.pyz                     one JSON report (text on a terminal); a summary line on stderr
  python3 nestproof-agent.pyz --only proof.       only the proofs: did a guest run, did a guest of a guest run
  sudo python3 nestproof-agent.pyz                as root it also reads firmware registers and the DMI UUID

Options
  --json, --text       force the form of the report
  --only ID[,ID...]    only these facts; "kvm." means all that begin so
  --list               list the ids of all facts and where they come from
  --timeout SECONDS    bound for the whole run (default 10; for an agent that stays 120)
  --measure            also measure what exits of a guest cost (fact proof.cost)
  --capture DIR        record this machine in DIR: the files that were read, and what was executed
  --root DIR           report about the machine recorded in DIR; nothing is executed
  --vm NAMESPACE/NAME  put this name into the report

Sending (see docs/agent.md)
  --send CHANNEL[,...]  https://COLLECTOR/..., file:PATH, console:DEVICE or guestinfo (VMware); tried until each has it
  --token-file FILE     what the collector knows this machine by; sent to it as a bearer token
  --ca-file FILE        trust only this authority for https
  --watch               stay; report after boot, every so often, after a resume; send when something has changed
  --every SECONDS       how often --watch looks (default 900)
  --serve-port NAME     stay, and give a fresh report to whoever opens the host end of the virtio-serial port
  --uninstall           remove the agent that cloud-init installed

Other
  --version, --help

Exit status: 0 a report was made, 1 it was not made or sent, 2 wrong usage. The report judges nothing; nestproof does.
"""
