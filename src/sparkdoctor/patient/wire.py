"""JSON for the scripts beside this file: the standard module would cost each of them a third of its time.

Plain data only: None, booleans, numbers, strings, lists, tuples and dictionaries with string keys.
"""

try:
    from _json import encode_basestring_ascii as quote
except ImportError:  # not CPython
    from json.encoder import py_encode_basestring_ascii as quote


def dumps(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value)) if value - value == 0 else "null"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(dumps(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(quote(str(key)) + ": " + dumps(item) for key, item in value.items()) + "}"
    return quote(str(value))
