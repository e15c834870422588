"""Arithmetic for Countdown: reading and making expressions, exactly and without eval()."""

import ast
import operator
import random
import re
from collections.abc import Sequence
from fractions import Fraction

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
OPERATORS[ast.Div] = operator.truediv  # on fractions, hence exact


def evaluate_expression(text: str) -> tuple[Fraction, list[int]] | None:
    """Value and numbers of an expression of + - * / and brackets; None if it is anything else."""
    if not re.fullmatch(r"[0-9+\-*/() ]{1,64}", text):
        return None
    numbers: list[int] = []

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            numbers.append(node.value)
            return Fraction(node.value)
        if isinstance(node, ast.BinOp):  # ** and // are other node types: KeyError
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError("only numbers and the four operations")  # for example a sign

    try:
        return value(ast.parse(text, mode="eval").body), numbers
    except (SyntaxError, KeyError, ValueError, ZeroDivisionError):
        return None


def random_expression(rng: random.Random, numbers: Sequence[int]) -> str:
    """Combine all numbers in random order; every intermediate value stays a positive integer."""
    parts = [(str(number), number) for number in numbers]
    while len(parts) > 1:
        rng.shuffle(parts)
        (left, a), (right, b) = parts.pop(), parts.pop()
        if a < b:
            (left, a), (right, b) = (right, b), (left, a)
        symbol = rng.choice("+-*" if a > b else "+*")
        result = {"+": a + b, "-": a - b, "*": a * b}[symbol]
        parts.append((f"({left}{symbol}{right})", result))
    return parts[0][0][1:-1]
