"""Rules for secrets by their published forms, and for what no reader should be sent.

A secret's rule needs its form to be recognised, not its name: so prose about passwords stays.
"""

from __future__ import annotations

from typing import Final

from smartypants.safety.rules import Rule, RuleSet

_DIGIT, _CAPITAL = r"(?=[\w.~+/-]{0,64}\d)", r"(?=[\w.~+/-]{0,64}[A-Z])"
_DATABASES = (
    r"postgres(?:ql)?(?:\+\w{1,16})?|mysql(?:\+\w{1,16})?|mariadb|mssql|mongodb(?:\+srv)?|rediss?"
    r"|amqps?|ldaps?|ftps?|sftp|smtps?|https?|wss?"
)
_NAMES = (
    r"password|passwd|pwd|passphrase|secret|token"
    r"|(?:api|access|secret|private|account|shared|client|auth)[ _-]?(?:access[ _-]?)?"
    r"(?:key|token|secret)"
)

_FORMS: Final = {
    "private_key": r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]|-(?!----END)){0,16384}+(?:-----END [A-Z0-9 ]{1,40}-----)?",
    "aws_key": r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    "github_token": r"gh[pousr]_[A-Za-z0-9]{36,255}+|github_pat_\w{22,255}+",
    "gitlab_token": r"gl(?:pat|dt|rt|ptt)-[\w-]{20,255}+",
    "slack_token": r"xox[abceoprs]-[\w-]{10,255}+"
    r"|https://hooks\.slack\.com/(?:services|workflows)/[\w/]{10,255}+",
    "google_key": r"AIza[\w-]{35}|ya29\.[\w-]{20,512}+|GOCSPX-[\w-]{20,64}+",
    "stripe_key": r"(?:[sr]k|whsec)_(?:live_|test_)?" + _DIGIT + r"[A-Za-z0-9]{20,255}+",
    "llm_key": r"sk-" + _DIGIT + _CAPITAL + r"[\w-]{20,255}+|hf_[A-Za-z0-9]{30,64}+",
    "own_key": r"sp_" + _DIGIT + r"[\w.-]{16,255}+",
    "package_token": r"npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{40,255}+",
    "sendgrid_key": r"SG\.[\w-]{16,64}+\.[\w-]{16,128}+",
    "jwt": r"eyJ[\w-]{8,2048}+\.eyJ[\w-]{8,8192}+\.[\w-]{0,2048}+",
    "url_password": rf"(?i:{_DATABASES})://[^\s:/@\[\]]{{0,128}}+:[^\s@/]{{1,256}}+@"
    r"[^\s\"'<>)]{0,256}+",
    "bearer": r"(?i:bearer)[ \t]{1,3}+" + _DIGIT + r"[\w.~+/-]{20,4096}+={0,2}+",
    "assignment": rf"(?i:{_NAMES})"
    r"[\"'`*]{0,3}+[ \t]{0,3}+(?:[:=]|is )[ \t]{0,3}+[\"'`*]{0,3}+"
    r"(?=[^\s\"'`<>]{0,64}\d)(?=[^\s\"'`<>]{0,64}[A-Za-z])[^\s\"'`<>]{8,512}+",
}  # fmt: skip

SECRETS: Final = RuleSet(
    [Rule(name, form, f"[removed: {name.replace('_', ' ')}]") for name, form in _FORMS.items()]
)

INVISIBLE: Final = RuleSet(
    [
        Rule(
            "control_character",
            # Zero-width and bidirectional characters, and the tag characters that can spell out
            # text which nobody sees. Joiners stay: emoji and several scripts need them.
            r"\x1b\[[0-9;]{0,16}[A-Za-z]"
            r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
            r"\U000e0000-\U000e007f]",
            "",
        )
    ]
)

CONTROL_TOKENS: Final = RuleSet(
    [
        Rule(
            "control_token",
            r"<\|[\w -]{1,32}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
            r"|<(?:eos|bos|pad)>",
            " ",
        )
    ]
)
