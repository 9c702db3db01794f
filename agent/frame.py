"""A report on a byte stream that carries other things too: a line with length and digest, the report, a newline."""

MARK = "NESTPROOF-REPORT/1"


def frame(report):
    """Return the bytes ``NESTPROOF-REPORT/1 <length> <sha256>\\n`` + JSON + ``\\n``; length in bytes of the JSON."""
    from hashlib import sha256

    from agent.encode import encode

    body = encode(report).encode("ascii")
    return ("%s %d %s\n" % (MARK, len(body), sha256(body).hexdigest())).encode("ascii") + body + b"\n"
