"""The judge: facts of a machine in, findings, verdicts and remedies out."""
