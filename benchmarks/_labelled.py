"""Made-up secrets, prose about secrets, and sentences with labelled personal data."""

from __future__ import annotations

import re

_A, _H = "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cD1fG", "0123456789abcdef0123456789abcdef"

# Put together here, so that no scanner takes this file for a leak.
SECRETS = (
    "The access key is AKIA" + "IOSFODNN7EXAMPLE.",
    "Temporary: ASIA" + "Y34FZKBOKMUTVV7A",
    f"aws_secret_access_key = {_A}/abc+1234",
    f"ghp_{_A}abcd is the token of the build",
    f"github_pat_11ABCDEFG0{_A}",
    f"Use glpat-{_A[:20]} to clone.",
    "xoxb" + f"-123456789012-123456789012-{_A[:24]}",
    "https://hooks.slack" + ".com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    f"AIza{_A}abc",
    "sk_live" + f"_{_A[:24]}",
    f"OPENAI_API_KEY=sk-proj-{_A}",
    f"hf_{_A}ab",
    f"sp_{_A}",
    f"npm_{_A}abcd",
    f"SG.{_A[:22]}.{_A}abc",
    f"Authorization: Bearer {_A}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{_A}",
    "postgresql://app:s3cret@db.example.com:5432/app",
    "redis://:hunter2@cache:6379/0",
    "mongodb+srv://root:pa55@cluster0.example.net/x",
    "https://deploy:t0ken@git.example.com/repo.git",
    "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
    "password: Winter2026!",
    '"client_secret": "9f8e7d6c5b4a"',
    f"api_key={_H}",
    "The Wi-Fi password is blue-Heron-42.",
    f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={_A}{_A}==",
    "The PIN of the safe is 4711.",
    "Log in as admin with the word swordfish.",
)

PROSE = (
    "A password has at least twelve characters and is never written down.",
    "Password: see the envelope in the safe.",
    "The token is sent in the header Authorization as a bearer token.",
    "Set SMARTYPANTS_API_KEY to the name of the variable.",
    "The secret of a good soup is time.",
    "AKIA is the prefix of access keys of long standing.",
    "Keys begin with sk- and are shown once.",
    "Connect to postgresql://HOST/DATABASE and refer to the password by env:NAME.",
    "See https://example.com/a:b@c for the syntax of addresses.",
    "The commit is 0123456789abcdef0123456789abcdef01234567.",
    "The document's id is 9f8e7d6c5b4a39281706f5e4d3c2b1a0.",
    "A private key begins with BEGIN PRIVATE KEY between five dashes.",
    "Task-management-system-overview-2026 is the title.",
    "The wasp_species table has 12 rows.",
    "Client secret rotation happens every 90 days.",
    "Version 3.11.2 needs token: none.",
    "The token bucket refills at 100 requests a second.",
    "The pwd command prints the folder that you are in.",
    "UUID 123e4567-e89b-12d3-a456-426614174000 is unique.",
    "Its checksum is sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.",
)

_LABEL = re.compile(r"\{([A-Z_]+):([^}]*)\}")

PERSONAL = (
    "Write to {EMAIL_ADDRESS:ann.miller@example.org} for the form.",
    "{PERSON:Ann Miller} leads the team in Bristol.",
    "Call {PHONE_NUMBER:+44 20 7946 0958} between nine and five.",
    "The card {CREDIT_CARD:4111 1111 1111 1111} was charged twice.",
    "Pay to {IBAN_CODE:DE89 3704 0044 0532 0130 00} by Friday.",
    "His number is {US_SSN:536-22-1145}, as the form says.",
    "The request came from {IP_ADDRESS:203.0.113.7}.",
    "{PERSON:John Smith} and {PERSON:Maria Gonzalez} signed the lease.",
    "Ask {EMAIL_ADDRESS:help+desk@mail.example.co.uk} or {PHONE_NUMBER:(415) 555-2671}.",
    "The nurse, {PERSON:Peter Novak}, measured the pressure.",
    "Please ring {PERSON:Sarah Connor} on {PHONE_NUMBER:+1 212 555 0147}.",
    "IBAN {IBAN_CODE:GB29NWBK60161331926819} belongs to the tenant.",
    "Mastercard {CREDIT_CARD:5555 5555 5555 4444} has expired.",
    "The server answered from {IP_ADDRESS:2001:db8::ff00:42:8329}.",
    "{PERSON:Dr. Okonkwo} will see you now.",
    "Email me: {EMAIL_ADDRESS:j.doe@intern.example}.",
    "My phone is {PHONE_NUMBER:030 90 18 20}.",
    "The social security number {US_SSN:219-09-9998} is on file.",
    "{PERSON:Yuki Tanaka} wrote the report with {PERSON:Li Wei}.",
    "Contact {PERSON:Olivia Brown} ({EMAIL_ADDRESS:olivia@brown.example.com}).",
    "Refund card {CREDIT_CARD:378282246310005}.",
    "Host {IP_ADDRESS:192.168.10.20} is down.",
    "The buoy weighs 74 kilograms and floats upright.",
    "Version 3.11.2 was released on 12 March 2026.",
    "Order 20418 has 12 items at 19.99 each.",
    "The notice period is three months.",
    "Chapter 4.2.1 explains the valves.",
    "The model number is 4500-221-88.",
    "Paris is the capital of France.",
    "The commit abcdef1234567890 fixed it.",
    "Room 415 holds 26 people.",
    "Between 2019 and 2024 the output doubled.",
    "The part EN-60529 is waterproof.",
    "Petrel is a kind of sea bird.",
)


def spans(marked: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The plain sentence, and start, end and kind of what is labelled in it."""
    text, labels, place = "", [], 0
    for found in _LABEL.finditer(marked):
        text += marked[place : found.start()]
        labels.append((len(text), len(text) + len(found[2]), found[1]))
        text += found[2]
        place = found.end()
    return text + marked[place:], labels
