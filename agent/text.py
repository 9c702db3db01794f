"""A report for people, one fact a line."""

from agent.encode import encode


def text(report):
    """Return the report as lines of id, status and value; control characters are escaped as in JSON."""
    subject = report["subject"]
    lines = [
        "%s  (nestproof-agent %s, Python %s, %.0f ms)"
        % (
            encode(subject["hostname"] or "?").strip('"'),
            report["agent"]["version"],
            report["agent"]["python"],
            report["duration_ms"],
        )
    ]
    for name, fact in report["facts"].items():
        said = encode(fact["value"]) if "value" in fact else ""
        if "error" in fact:
            said = encode(fact["error"]).strip('"') + (" " + said if said else "")
        if len(said) > 300:
            said = said[:300] + "…"
        lines.append("%-22s %-11s %s" % (name, fact["status"], said))
    return "\n".join(lines)
