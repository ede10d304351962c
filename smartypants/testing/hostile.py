"""Values that a careless filter, path or statement would take for syntax."""

HOSTILE_STRINGS = (
    '" or 1 == 1 or document_id == "',
    "' or 'a' == 'a",
    'x"] or acl_id in [1, 2, 3] or document_id in ["',
    "\\",
    '\\"',
    "\n",
    "\x00",
    "\x1f\x7f",
    "%",
    "_",
    "{{x}}",
    "日本",
    "\ud800",
    "",
    "x" * 5_000,
)
