"""One sentence: what was proven."""

PAGING = {"svm": "NPT", "vmx": "EPT"}


def proof(report, name):
    """Return the value of a proof fact, {} where it was not asked for."""
    return report["facts"].get(name, {}).get("value") or {}


def summary(report):
    """Return what the proofs of a report say, for people."""
    facts = report["facts"]
    plain = proof(report, "proof.plain")
    if plain.get("ok"):
        emulated = (facts.get("proof.pace", {}).get("value") or {}).get("emulated")
        first = "a guest ran" + (" (by slow instruction emulation)" if emulated else "")
    elif "proof.plain" in facts:
        first = "no guest ran (%s)" % (plain.get("cause") or facts["proof.plain"]["status"])
    else:
        first = ""
    good, bad = [], []
    for name in ("proof.nested", "proof.nested_paging"):
        value = proof(report, name)
        way = "shadow paging" if name == "proof.nested" else PAGING.get(value.get("kind"), "nested paging")
        if value.get("ok"):
            good.append(value["kind"] + " with " + way)
        elif name in facts:
            bad.append("%s: %s" % (way, value.get("cause") or facts[name]["status"]))
    second = ""
    if good:
        second = "a guest of a guest ran (%s)" % ", ".join(good + bad)
    elif bad:
        second = "no guest of a guest ran (%s)" % ", ".join(bad)
    return "; ".join(each for each in (first, second) if each) or "nothing was to be proven"
