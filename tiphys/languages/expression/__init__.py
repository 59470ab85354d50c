"""The engine of both expression languages, govaluate and expr: lexer, parser, closures.

`tiphys.languages.govaluate` and `tiphys.languages.expr` are its dialects.
"""

from tiphys.languages.expression.program import Program, compiled

__all__ = ["Program", "compiled"]
