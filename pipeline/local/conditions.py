"""Conditions of `dsl.If`, `Elif` and `Else`: the part of CEL that the compiler writes, read exactly.

    condition = parse("inputs.parameter_values['n'] == 'a' && !(int(inputs.parameter_values['k']) > 3)")
    condition.names       # {"n", "k"}
    condition.holds({"n": "a", "k": 2})

The grammar: `||`, `&&`, `!`, parentheses, one comparison (`== != < <= > >=`), texts, numbers, `true`, `false`,
`inputs.parameter_values['name']`, and `int`, `double`, `string`, `bool` of one of these. Anything else is refused
with the place where it stands. As in CEL, values of two kinds are never equal and cannot be ordered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from binocular.errors import PackageError, RequestError
from pipeline.local.values import Value, as_text

LONGEST = 10_000
DEEPEST = 50
NUMBER = (int, float)

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<ref>inputs\.parameter_values\[(?:'(?P<q1>[^'\\\]]*)'|"(?P<q2>[^"\\\]]*)")\])
  | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<sign>\|\||&&|==|!=|<=|>=|[<>!()])
)""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?"}
_ORDER: dict[str, Callable[[Value, Value], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

Term = Callable[[Mapping[str, Value]], Value]


@dataclass(frozen=True)
class Condition:
    """A condition that was read, and the parameters it looks at."""

    text: str
    names: frozenset[str]
    _value: Term

    def holds(self, parameters: Mapping[str, Value]) -> bool:
        """Whether it is true of these parameters; RequestError where it has no truth value."""
        value = self._value(parameters)
        if not isinstance(value, bool):
            raise RequestError(f"condition {self.text}: is neither true nor false but {value!r}")
        return value


def parse(text: str) -> Condition:
    """Read a condition; PackageError says what is not understood, and where."""
    if len(text) > LONGEST:
        raise PackageError(f"condition of {len(text)} characters; at most {LONGEST} are read")
    parser = _Parser(text)
    value = parser.either(0)
    if parser.kind:
        raise parser.fault("expected the end")
    return Condition(text, frozenset(parser.names), value)


class _Parser:
    """One pass over the text; each method reads one level of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: set[str] = set()
        self._at = 0
        self._next()

    def _next(self) -> None:
        self._start = self._at
        match = _TOKEN.match(self.text, self._at)
        if match is None:
            if self.text[self._at :].strip():
                raise self.fault("not understood")
            self.kind, self.token, self._match = "", "", None
            return
        self.kind, self._match = match.lastgroup or "", match
        if self.kind in {"q1", "q2"}:
            self.kind = "ref"
        self.token = match.group(self.kind)
        self._at = match.end()

    def fault(self, what: str) -> PackageError:
        """What is wrong at the present place, with the usual reason where quotes do not match up."""
        place = self.text[self._start :].strip()[:40]
        hint = ""
        if self.text.count("'") % 2:
            hint = "; the compiler does not escape an apostrophe in a compared text: compare without it"
        return PackageError(f"condition {self.text[:200]}: {what} at {place!r}{hint}")

    def _take(self, sign: str) -> bool:
        if self.kind == "sign" and self.token == sign:
            self._next()
            return True
        return False

    def either(self, depth: int) -> Term:
        """`a || b`."""
        parts = [self._both(depth)]
        while self._take("||"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda p: any(_truth(part(p)) for part in parts)

    def _both(self, depth: int) -> Term:
        parts = [self._comparison(depth)]
        while self._take("&&"):
            parts.append(self._comparison(depth))
        return parts[0] if len(parts) == 1 else lambda p: all(_truth(part(p)) for part in parts)

    def _comparison(self, depth: int) -> Term:
        left = self._negation(depth)
        sign = self.token
        if self.kind != "sign" or sign not in {"==", "!=", *_ORDER}:
            return left
        self._next()
        right = self._negation(depth)
        if sign in _ORDER:
            return lambda p: _ordered(sign, left(p), right(p))
        return lambda p: _same(left(p), right(p)) == (sign == "==")

    def _negation(self, depth: int) -> Term:
        if depth > DEEPEST:
            raise self.fault(f"nested more than {DEEPEST} deep")
        if self._take("!"):
            inner = self._negation(depth + 1)
            return lambda p: not _truth(inner(p))
        if self._take("("):
            inside = self.either(depth + 1)
            self._close()
            return inside
        return self._operand(depth)

    def _close(self) -> None:
        if not self._take(")"):
            raise self.fault("expected ')'")

    def _operand(self, depth: int) -> Term:
        kind, symbol, match = self.kind, self.token, self._match
        if kind == "ref" and match is not None:
            name = match.group("q1") if match.group("q1") is not None else match.group("q2")
            self.names.add(name)
            self._next()
            return lambda p: _lookup(p, name)
        if kind == "text":
            constant: Value = self._unescaped(symbol[1:-1])
        elif kind == "number":
            try:
                constant = int(symbol) if symbol.lstrip("-").isdigit() else float(symbol)
            except ValueError:
                raise self.fault("a number of too many digits") from None
        elif kind == "word" and symbol in {"true", "false"}:
            constant = symbol == "true"
        elif kind == "word" and symbol in _CONVERSIONS:
            self._next()
            if not self._take("("):
                raise self.fault("expected '('")
            inner = self.either(depth + 1)
            self._close()
            return lambda p: _converted(symbol, inner(p))
        else:
            raise self.fault("not understood")
        self._next()
        return lambda _: constant

    def _unescaped(self, text: str) -> str:
        def character(match: re.Match[str]) -> str:
            if match.group(1) not in _ESCAPES:
                raise self.fault(f"unknown escape {match.group()!r}")
            return _ESCAPES[match.group(1)]

        return re.sub(r"\\(.)", character, text, flags=re.DOTALL)


def _lookup(parameters: Mapping[str, Value], name: str) -> Value:
    if name not in parameters:
        raise RequestError(f"condition: there is no value for {name}")
    return parameters[name]


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"condition: {value!r} is neither true nor false")
    return value


def _kind(value: Value) -> type:
    """Numbers are of one kind; a truth value is no number."""
    return float if isinstance(value, NUMBER) and not isinstance(value, bool) else type(value)


def _same(left: Value, right: Value) -> bool:
    return _kind(left) is _kind(right) and bool(left == right)


def _ordered(sign: str, left: Value, right: Value) -> bool:
    if _kind(left) is not _kind(right) or _kind(left) not in {float, str}:
        raise RequestError(f"condition: {left!r} {sign} {right!r} has no meaning")
    return _ORDER[sign](left, right)


def _converted(word: str, value: Value) -> Value:
    try:
        return _CONVERSIONS[word](value)
    except (ValueError, TypeError, OverflowError):
        raise RequestError(f"condition: {word}({value!r}) has no value") from None


def _to_bool(value: Value) -> bool:
    if isinstance(value, str) and value in {"true", "false"}:
        return value == "true"
    if not isinstance(value, bool):
        raise TypeError
    return value


_CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "int": int,
    "double": float,
    "string": as_text,
    "bool": _to_bool,
}
