"""JSON, written without the json package: importing it costs more than all of a report."""


def quoted(text):
    """Return a JSON string; what is not ASCII is written as UTF-16 escapes."""
    if text.isprintable() and '"' not in text and "\\" not in text and len(text.encode()) == len(text):
        return '"' + text + '"'
    units = text.encode("utf-16-be", "surrogatepass")
    out = ""
    for high, low in zip(units[::2], units[1::2]):  # noqa: B905
        plain = high == 0 and 32 <= low < 127 and low not in b'"\\'
        out += chr(low) if plain else "\\u%04x" % (high << 8 | low)
    return '"' + out + '"'


def encode(thing, indent=None, level=0):
    """Return JSON text, ASCII only, keys in their order; ``indent`` (spaces) makes it readable."""
    if isinstance(thing, str):
        return quoted(thing)
    if thing is None:
        return "null"
    if thing is True or thing is False:
        return "true" if thing else "false"
    if isinstance(thing, int):
        return str(int(thing))
    if isinstance(thing, float):
        return repr(thing) if thing - thing == 0 else "null"  # JSON has no infinity and no NaN
    opening, closing = ("{", "}") if isinstance(thing, dict) else ("[", "]")
    if isinstance(thing, dict):
        items = [quoted(str(key)) + ": " + encode(value, indent, level + 1) for key, value in thing.items()]
    else:
        items = [encode(each, indent, level + 1) for each in thing]
    text = ", ".join(items)
    if indent and len(text) + level * indent > 110:
        pad = "\n" + " " * indent * (level + 1)
        return opening + pad + ("," + pad).join(items) + pad[:-indent] + closing
    return opening + text + closing
