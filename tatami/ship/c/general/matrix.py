"""Products of values of any rank that lie in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tatami.graph.attributes import integer, real
from tatami.graph.operators.matrix import letters_at
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, indented, loop, place
from tatami.ship.c.operator import number, structure
from tatami.ship.c.operators.conv import FLOAT_KERNELS

UNROLLED = 4
"""Products that are added up before a sum is written again."""
PRODUCT = (*FLOAT_KERNELS, "float32/product")
WORTH = 4096
"""From how many products on a matrix is packed for the tile of convolutions."""


def product(
    result: Operand,
    axes: Sequence[tuple[str, int]],
    factors: Callable[[str], tuple[str, str]],
    length: int,
    end: Callable[[str], str] | None = None,
) -> str:
    """Write y = sum over k of a * b, along the axis whose samples lie closest in the result.

    Args:
        result: What is made.
        axes: A loop for each of its axes.
        factors: Takes k as C; gives both factors.
        length: How many products a sum has.
        end: Takes the sum's sample; gives the statement that finishes it.
    """
    order = sorted(range(len(axes)), key=lambda at: (axes[at][1] > 1, -result.strides[at], at))
    y = result.at([name for name, _ in axes])
    name, count = axes[order[-1]] if order else ("only", 1)

    def row(body: str) -> str:
        return f"for (int {name} = 0; {name} < {count}; {name}++) {body}"

    def terms(first: str, many: int) -> str:
        pairs = [factors(first if at == 0 else f"({first} + {at})") for at in range(many)]
        return " + ".join(f"{a} * {b}" for a, b in pairs)

    whole = length - length % UNROLLED
    lines = [row(f"{y} = 0;")]
    if whole:
        text = row(f"{y} += {terms('k', UNROLLED)};")
        lines.append(f"for (int k = 0; k < {whole}; k += {UNROLLED}) {{\n{indented(text)}\n}}")
    if length - whole:
        text = row(f"{y} += {terms('k', 1)};")
        lines.append(f"for (int k = {whole}; k < {length}; k++) {{\n{indented(text)}\n}}")
    if end is not None:
        lines.append(row(f"{{\n{indented(end(y))}\n}}"))
    return loop([axes[at] for at in order[:-1]], "\n".join(lines))


@dataclass(frozen=True)
class Factors:
    """Hold a product of matrices for every index of the axes in front.

    Args:
        front: Those axes.
        a: The first factor, (front, rows, length).
        b: The second, (front, length, columns).
        result: (front, rows, columns).
    """

    front: tuple[int, ...]
    a: Operand
    b: Operand
    result: Operand

    @property
    def rows(self) -> int:
        """Count the rows of a matrix of the result."""
        return self.result.sides[-2]

    @property
    def columns(self) -> int:
        """Count its columns."""
        return self.result.sides[-1]

    @property
    def length(self) -> int:
        """Count the products of a sum."""
        return self.a.sides[-1]

    def is_worth(self) -> bool:
        """Tell whether b is packed: for real numbers, and more rows than packing takes."""
        work = self.rows * self.length * self.columns
        return self.result.real and self.a.real and self.rows >= UNROLLED and work >= WORTH

    def merged(self) -> Factors:
        """Take axes in front as rows where b is the same for all of them."""
        if not self.front or self.front[-1] == 1 or self.b.strides[-3] != 0:
            return self
        if any(one.strides[-3] != one.strides[-2] * self.rows for one in (self.a, self.result)):
            return self
        rows = self.front[-1] * self.rows

        def without(one: Operand, side: int) -> Operand:
            sides = (*one.sides[:-3], side, one.sides[-1])
            return replace(one, sides=sides, strides=(*one.strides[:-3], *one.strides[-2:]))

        a, result = without(self.a, rows), without(self.result, rows)
        return Factors(self.front[:-1], a, without(self.b, self.length), result).merged()

    def scratch(self) -> int:
        """Count the bytes of what is packed."""
        packed = -(-self.columns // 16) * 16 * self.length
        return 4 * (packed + (0 if self.a.strides[-1] == 1 else self.rows * self.length))

    def emit(self, scratch: str) -> str:
        """Write the calls of kernels/float32/product.c."""
        steps = [one.strides[-2:] for one in (self.a, self.b, self.result)]
        fields = structure(
            "net_product",
            [
                {"rows": self.rows, "length": self.length, "columns": self.columns},
                {"a_row": steps[0][0], "a_step": steps[0][1]},
                {"b_step": steps[1][0], "b_column": steps[1][1]},
                {"y_row": steps[2][0], "y_column": steps[2][1]},
            ],
        )
        axes = [(f"i{at}", side) for at, side in enumerate(self.front)]
        at: list[str | int] = [*(name for name, _ in axes), 0, 0]
        ends = [f"&{one.at(at)}" for one in (self.a, self.b, self.result)]
        call = f"net_multiply({fields},\n    {ends[0]}, {ends[1]}, (float *){scratch}, {ends[2]});"
        return loop(axes, call)


def _as_matrix(one: Operand, row: bool) -> Operand:
    """Give an operand of one axis another of one index."""
    if len(one.sides) > 1:
        return one
    sides = (1, *one.sides) if row else (*one.sides, 1)
    strides = (0, *one.strides) if row else (*one.strides, 0)
    return replace(one, sides=sides, strides=strides)


def _matrices(general: General) -> Factors:
    """See MatMul's factors and its result as matrices; an axis that it adds has one index."""
    a, b = _as_matrix(general.operand(0), True), _as_matrix(general.operand(1), False)
    result = general.result
    front = max(len(a.sides), len(b.sides)) - 2
    sides, strides = list(result.sides), list(result.strides)
    if len(general.operand(0).sides) == 1:
        sides.insert(front, 1)
        strides.insert(front, 0)
    if len(general.operand(1).sides) == 1:
        sides.append(1)
        strides.append(0)
    whole = replace(result, sides=tuple(sides), strides=tuple(strides))
    return Factors(tuple(sides[:front]), a.spread(front + 2), b.spread(front + 2), whole)


def _matmul(general: General) -> str:
    """Write a product of matrices for every index of the axes in front."""
    matrices = _matrices(general).merged()
    if matrices.is_worth():
        return matrices.emit(general.scratch)
    matrices = _matrices(general)
    a, b = matrices.a, matrices.b
    names = [f"i{at}" for at in range(len(matrices.front))] + ["m", "n"]
    zeros = [_zero(general, 2, "m"), _zero(general, 3, "n")]

    def factors(k: str) -> tuple[str, str]:
        first, second = a.at([*names[:-1], k]), b.at([*names[:-2], k, "n"])
        if general.node.op_type == "MatMulInteger":
            return f"({first}{zeros[0]})", f"({second}{zeros[1]})"
        return first, second

    axes = list(zip(names, matrices.result.sides, strict=True))
    return product(matrices.result, axes, factors, a.sides[-1])


def _matmul_kernels(general: General) -> tuple[str, ...]:
    return PRODUCT if _matrices(general).merged().is_worth() else ()


def _matmul_scratch(general: General) -> int:
    matrices = _matrices(general).merged()
    return matrices.scratch() if matrices.is_worth() else 0


def _zero(general: General, index: int, name: str) -> str:
    """Write what is taken off a factor of MatMulInteger."""
    if general.node.op_type != "MatMulInteger" or index not in general.operands:
        return ""
    zero = general.operand(index)
    if zero.size == 1:
        return f" - {zero.name}[0]"
    names = [name if side > 1 else 0 for side in zero.sides]
    return f" - {zero.at(names)}"


def _gemm(general: General) -> str:
    """Write alpha a b + beta c."""
    a, b, node = general.operand(0), general.operand(1), general.node
    alpha, beta = real(node, "alpha", 1.0), real(node, "beta", 1.0)
    turned_a, turned_b = integer(node, "transA", 0), integer(node, "transB", 0)
    axes = [("m", general.result.sides[0]), ("n", general.result.sides[1])]

    def factors(k: str) -> tuple[str, str]:
        return a.at([k, "m"] if turned_a else ["m", k]), b.at([k, "n"][:: -1 if turned_b else 1])

    def end(y: str) -> str:
        terms = [y if alpha == 1 else f"{number(alpha)} * {y}"]
        if 2 in general.operands:
            c = general.operand(2).spread(2).at(["m", "n"])
            terms.append(c if beta == 1 else f"{number(beta)} * {c}")
        return f"{y} = {' + '.join(terms)};"

    length = a.sides[0 if turned_a else 1]
    needed = alpha != 1 or 2 in general.operands
    return product(general.result, axes, factors, length, end if needed else None)


def _einsum(general: General) -> str:
    """Write one nest over all letters; those of the result are outside."""
    letters = letters_at(general.node)
    result = general.result
    names = {letter: f"at_{letter}" for letter in letters.sides}
    samples = []
    for index, term in enumerate(letters.inputs):
        operand = general.operand(index)
        spread = [
            0 if side == 1 else stride
            for side, stride in zip(operand.sides, operand.strides, strict=True)
        ]
        samples.append(f"{operand.name}[{place([names[each] for each in term], spread)}]")
    axes = [(names[letter], letters.sides[letter]) for letter in letters.output]
    order = sorted(range(len(axes)), key=lambda at: (axes[at][1] > 1, -result.strides[at], at))
    y = result.at([name for name, _ in axes])
    outer, inner = [axes[at] for at in order[:-1]], [axes[at] for at in order[-1:]]
    summed = [(names[letter], letters.sides[letter]) for letter in letters.summed]
    term = f"{y} += {' * '.join(samples)};"
    return loop(outer, f"{loop(inner, f'{y} = 0;')}\n{loop(summed, loop(inner, term))}")


def _det(general: General) -> str:
    """Write an elimination with the largest pivot of each column, in double precision."""
    x = general.operand(0)
    n = x.sides[-1]
    front = [(f"i{at}", side) for at, side in enumerate(x.sides[:-2])]
    names = [name for name, _ in front]
    body = f"""double m[{n}][{n}];
double det = 1;

for (int r = 0; r < {n}; r++) {{
    for (int c = 0; c < {n}; c++) m[r][c] = {x.at([*names, "r", "c"])};
}}
for (int c = 0; c < {n}; c++) {{
    int best = c;

    for (int r = c + 1; r < {n}; r++) {{
        if (fabs(m[r][c]) > fabs(m[best][c])) best = r;
    }}
    if (best != c) {{
        for (int k = 0; k < {n}; k++) {{
            const double swapped = m[c][k];

            m[c][k] = m[best][k];
            m[best][k] = swapped;
        }}
        det = -det;
    }}
    det *= m[c][c];
    for (int r = c + 1; r < {n} && det != 0; r++) {{
        const double factor = m[r][c] / m[c][c];

        for (int k = c; k < {n}; k++) m[r][k] -= factor * m[c][k];
    }}
}}
{general.result.at(names)} = ({general.result.kind})det;"""
    return loop(front, body)


ROWS: Mapping[str, Loops] = {
    "Det": Loops(_det),
    "Einsum": Loops(_einsum),
    "Gemm": Loops(_gemm),
    "MatMul": Loops(_matmul, kernels=_matmul_kernels, scratch=_matmul_scratch),
    "MatMulInteger": Loops(_matmul),
}
