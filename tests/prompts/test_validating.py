"""What a template may be: whatever passes keeps to its kind, ends soon and reaches nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartypants.errors import PromptInvalid, PromptTooLong
from smartypants.packing import estimated_tokens
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.fitting import Window
from smartypants.prompts.inputs import Passage, answer_inputs
from smartypants.prompts.kinds import Kind
from smartypants.prompts.rendering import MAX_CHARS, rendered
from smartypants.prompts.template import Template, readable
from smartypants.prompts.validating import validate

WINDOW = Window(2048, estimated_tokens)
GOOD = "{% for p in passages %}\n{{ p.text }}\n{% endfor %}\n{{ question }}"


def template(user: str, *, variables: tuple[str, ...] | None = None) -> Template:
    return readable({"messages": [{"role": "user", "content": user}], "variables": variables})


def check(user: str, kind: Kind = Kind.ANSWER, window: Window = WINDOW) -> None:
    validate(kind, template(user), window=window, answer_tokens=128)


@pytest.mark.parametrize("kind", Kind)
def test_the_packaged_are_valid(kind: Kind) -> None:
    validate(kind, default_prompt(kind).template, window=WINDOW, answer_tokens=128)


@pytest.mark.parametrize(
    "more",
    [
        "{{ language|default('any', true) }} {{ now }} {{ collection }}",
        "{% for t in history[-2:] %}{{ loop.index }}. {{ t.role|upper }}: {{ t.content }}\n"
        "{% endfor %}",
        "{% for p in passages %}[{{ p.index }}] {{ p.title }} {{ p['uri'] }}{% endfor %}",
        "{{ passages[0].title|truncate(20) }} {{ passages|length }}",
        "{% if language %}In {{ language ~ '!' }}{% elif not history %}x{% else %}y{% endif %}",
        "{% raw %}{{ anything }}{% endraw %}{# nothing #}",
    ],
)  # fmt: skip
def test_what_is_allowed(more: str) -> None:
    check(f"{GOOD}\n{more}")


# Ways out of template engines that were found in the wild, and ways to make one work for ever.
ATTACKS = [
    "{{ question.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ question['__class__'] }}",
    "{{ question['__cl' ~ 'ass__'] }}",
    "{{ question|attr('__class__') }}",
    "{{ passages|map(attribute='__class__')|list }}",
    "{{ self.__init__.__globals__ }}",
    "{{ config.items() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ namespace.__init__ }}",
    "{{ request.application.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ '{0.__class__}'.format(question) }}",
    "{{ question.format_map }}",
    "{{ '%s' % question }}",
    "{{ '%999999999d' % 1 }}",
    "{{ loop.__class__ }}",
    "{% for p in passages %}{{ p.__class__ }}{% endfor %}",
    "{% for p in passages %}{{ p.__slots__ }}{% endfor %}",
    "{% for p in passages %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for p in passages recursive %}{{ loop(passages) }}{% endfor %}",
    "{% for i in range(999999999) %}x{% endfor %}",
    "{% for c in question %}x{% endfor %}",
    "{% for c in 'aaaa' %}x{% endfor %}",
    "{% for passages in passages %}{% for c in passages %}x{% endfor %}{% endfor %}",
    "{% for a in passages %}{% for b in passages %}{% for c in passages %}x{% endfor %}{% endfor %}"
    "{% endfor %}",
    "{% for a in passages %}{% endfor %}" * 17,
    "{{ 'a' * 999999999 }}",
    "{{ [0] * 999999999 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 1 // 0 }}",
    "{{ " + "9" * 5000 + " }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "not " * 4500 + "1 }}",
    "{{ " + "1 + " * 200 + "1 }}",
    "{% if 1 %}" * 100 + "{% endif %}" * 100,
    "{% set x = question %}{% set x = x ~ x %}",
    "{% with x = question %}{{ x }}{% endwith %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call question() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends '/etc/passwd' %}",
    "{% block x %}{% endblock %}",
    "{% do question.upper() %}",
    "{% autoescape false %}{% endautoescape %}",
    "{{ question|replace('', question) }}",
    "{{ question|join(question) }}",
    "{{ question|center(999999999) }}",
    "{{ question|indent(999999999) }}",
    "{{ question|pprint }}",
    "{{ question|tojson }}",
    "{{ question|safe }}",
    "{{ question is callable }}",
    "{{ passages }}",
    "{{ passages[0] }}",
    "{{ passages[5].text }}",
    "{{ question.title }}",
    "{{ question.upper }}",
    "{{ passages[0]['text'].title }}",
    "{{ '\\ud800' }}",
    "{{ question",
    "{% for p in passages %}",
    "{% nonsense %}",
]


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_attacks_are_refused_and_it_is_said_where(attack: str) -> None:
    check(GOOD)
    with pytest.raises(PromptInvalid, match=r"^Message 1 \(user\)"):
        check(f"{GOOD}\n{attack}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{GOOD}\n\n{{{{ nobody }}}}", "line 6: there is no variable `nobody`"),
        (f"x\n{{% set a = 1 %}}{GOOD}", "line 2: `set` is not allowed"),
        (f"{GOOD}\n{{{{ passages[0].author }}}}", "line 5: there is no field `author`"),
        (f"{GOOD}\n{{{{ question - 1 }}}}", "line 5: unsupported operand"),
        (f"{GOOD}\n{{{{ passages[9].text }}}}", "line 5: "),
        (f"{GOOD}\n{{% if %}}", "line 5: Expected an expression"),
        ("{{ question }}", "does not show the text of every passage"),
        ("{% for p in passages %}{{ p.text }}{% endfor %}", "does not show the question"),
        (GOOD.replace("passages", "passages[:2]"), "does not show the text of every passage"),
        (f"{{% if language %}}{GOOD}{{% endif %}}", "does not show the question"),
    ],
)
def test_errors_say_what_and_where(text: str, said: str) -> None:
    with pytest.raises(PromptInvalid) as raised:
        check(text)
    assert said in raised.value.message


def test_what_sampling_does_not_reach_is_stopped_when_it_runs() -> None:
    hidden = "{% if question == 'x' %}{{ question.title }}{% endif %}"
    check(f"{GOOD}{hidden}")
    with pytest.raises(PromptInvalid, match="unsafe"):
        template(hidden).render(answer_inputs("x", ()))


def test_output_is_bounded() -> None:
    passages = tuple(Passage("x" * 100, "", "", "", i) for i in range(100))
    text = "{% for a in passages %}{% for b in passages %}{{ b.text }}{% endfor %}{% endfor %}"
    values = {"passages": passages}
    assert len(rendered(text, values, where="m", max_chars=10**6)) == 10**6
    with pytest.raises(PromptInvalid, match="characters come out"):
        rendered(text, values, where="m", max_chars=10**6 - 1)


def test_values_are_never_templates() -> None:
    told = template(GOOD).render(answer_inputs("{{ 7 * 7 }}{% endfor %}", ()))
    assert told[0].content == "{{ 7 * 7 }}{% endfor %}"


def test_variables_that_are_declared() -> None:
    for variables in (("question",), ("question", "passages", "now")):
        with pytest.raises(PromptInvalid, match="declar"):
            validate(
                Kind.ANSWER, template(GOOD, variables=variables), window=WINDOW, answer_tokens=9
            )
    declared = template(GOOD, variables=("question", "passages"))
    validate(Kind.ANSWER, declared, window=WINDOW, answer_tokens=9)


def test_each_kind_has_its_own() -> None:
    with pytest.raises(PromptInvalid, match="a loop runs over"):
        check(GOOD, Kind.EXPAND)
    with pytest.raises(PromptInvalid, match="every turn"):
        check("{{ question }}", Kind.REWRITE)
    check("{{ question }} {{ expansion }} {{ count }}", Kind.EXPAND)


def test_too_long_for_the_model() -> None:
    long = f"{'word ' * 900}{GOOD}"
    check(long)
    with pytest.raises(PromptTooLong, match="has room for"):
        check(long, window=Window(1500, estimated_tokens))


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "assistant", "content": GOOD}],
        [{"role": "user", "content": GOOD}, {"role": "system", "content": "x"}],
        [{"role": "tool", "content": GOOD}],
        [{"role": "user", "content": "x" * (MAX_CHARS + 1)}],
        [{"role": "user", "content": "x" * MAX_CHARS}] * 2,
        [{"role": "user", "content": "\0"}],
        [{"role": "user", "content": GOOD, "name": "x"}],
        [{"role": "user", "content": GOOD}] * 9,
    ],
)
def test_no_conversation(messages: list[dict[str, str]]) -> None:
    with pytest.raises(PromptInvalid):
        readable({"messages": messages})


PIECES = st.sampled_from(
    ["{{", "}}", "{%", "%}", "for", "in", "if", "endif", "endfor", "passages", "question", ".text",
     "p", "|", "upper", "[", "]", "(", ")", "0", "'", "~", "+", "set", "=", "__class__", "*", "\n",
     "{#", "#}", "-", "range", ":", ",", "loop", "is", "not"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=25).map(" ".join))
def test_whatever_is_written_is_valid_or_refused(text: str) -> None:
    with suppress(PromptInvalid):
        made = template(text)
        made.used(Kind.ANSWER)
        told = made.render(answer_inputs("q", ()))
        assert "object at 0x" not in told[0].content
