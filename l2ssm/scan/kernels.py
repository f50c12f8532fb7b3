"""The fused LTI scan as numba kernels, compiled at the first call and cached on disk. Importing this file loads numba.

A block `S` (length + 1, 2 m) holds the states of m modes at the samples of one chunk, real parts in the first m columns
and imaginary parts in the last m, row 0 being the state at the border. The kernels start no threads and do not hold the
interpreter lock; each call works on its own items of the batch or its own modes, so that calls may run side by side.

The products are scipy's BLAS, called by address, in tiles. OpenBLAS shares a product out over threads of its own above
2^18 multiply-adds, and those then fight with ours; below that it computes in the calling thread, with kernels that need
no packing. So no call made here is larger.

All kernels are in this one file because numba recompiles a cached one when its own file changes, and only then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from l2ssm.scan.blas import compiled

TILE_WORK = 2**18  # multiply-adds in one call of BLAS
TILE_COLUMNS = 128
_INT = ir.IntType(32)


@intrinsic
def _gemm(
    typing: Any, address: Any, transposed: Any, m: Any, n: Any, k: Any, a: Any, lda: Any, b: Any, ldb: Any, beta: Any,
    c: Any, ldc: Any,
) -> Any:  # fmt: skip
    """C <- A op(B) + beta C, column-major; `a`, `b`, `c` are addresses and the type of beta says which gemm it is."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        real = context.get_value_type(beta)
        byte = ir.IntType(8)

        def place(value: Any) -> Any:
            return cgutils.alloca_once_value(builder, value)

        def integer(value: Any) -> Any:
            return place(builder.trunc(value, _INT))

        def pointer(value: Any) -> Any:
            return builder.inttoptr(value, real.as_pointer())

        address_, transposed_, m_, n_, k_, a_, lda_, b_, ldb_, beta_, c_, ldc_ = values
        letter = builder.select(transposed_, ir.Constant(byte, ord("T")), ir.Constant(byte, ord("N")))
        given = [
            place(ir.Constant(byte, ord("N"))), place(letter), integer(m_), integer(n_), integer(k_),
            place(ir.Constant(real, 1.0)), pointer(a_), integer(lda_), pointer(b_), integer(ldb_),
            place(beta_), pointer(c_), integer(ldc_),
        ]  # fmt: skip
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
        builder.call(builder.inttoptr(address_, kind.as_pointer()), given)
        return context.get_dummy_value()

    whole = types.intp
    signature = types.void(
        whole, types.boolean, whole, whole, whole, whole, whole, whole, whole, beta, whole, whole
    )  # fmt: skip
    return signature, generate


@compiled
def multiply(gemm: int, A: Any, B: Any, C: Any, add: bool) -> None:
    """C <- A B, or with `add` C <- C + A B, for contiguous A (rows, inner), B (inner, columns), C (rows, columns)."""
    rows, inner, columns = A.shape[0], A.shape[1], B.shape[1]
    size = A.itemsize
    lda, ldb, ldc = inner, columns, columns
    zero, one = A.dtype.type(0), A.dtype.type(1)
    wide = min(columns, TILE_COLUMNS)
    deep = max(1, min(inner, TILE_WORK // max(1, rows * wide)))
    for j in range(0, columns, wide):
        for k in range(0, inner, deep):
            _gemm(
                gemm, False, min(wide, columns - j), rows, min(deep, inner - k),
                B.ctypes.data + size * (k * ldb + j), ldb, A.ctypes.data + size * k, lda,
                one if add or k > 0 else zero, C.ctypes.data + size * j, ldc,
            )  # fmt: skip


@compiled
def add_product(gemm: int, A: Any, B: Any, C: Any) -> None:
    """C <- C + A^T B for contiguous A (rows, m), B (rows, columns), C (m, columns)."""
    rows, m, columns = A.shape[0], A.shape[1], B.shape[1]
    size = A.itemsize
    lda, ldb, ldc = m, columns, columns
    wide = min(columns, TILE_COLUMNS)
    high = max(1, min(m, TILE_WORK // max(1, rows * wide)))
    for j in range(0, columns, wide):
        for i in range(0, m, high):
            _gemm(
                gemm, True, min(wide, columns - j), min(high, m - i), rows,
                B.ctypes.data + size * j, ldb, A.ctypes.data + size * i, lda,
                A.dtype.type(1), C.ctypes.data + size * (i * ldc + j), ldc,
            )  # fmt: skip


@compiled
def advance(S: Any, length: int, lam: Any) -> None:
    """S[k+1] += lam S[k] for k = 0..length-1."""
    m = lam.shape[1]
    lam_re, lam_im = lam[0], lam[1]
    for k in range(length):
        x_re, x_im, next_re, next_im = S[k, :m], S[k, m:], S[k + 1, :m], S[k + 1, m:]
        for i in range(m):
            re, im = x_re[i], x_im[i]
            next_re[i] += lam_re[i] * re - lam_im[i] * im
            next_im[i] += lam_re[i] * im + lam_im[i] * re


@compiled
def retreat(G: Any, S: Any, length: int, lam: Any, total: Any) -> None:
    """G[k] += conj(lam) G[k+1] for k = length-1..0, adjoint to `advance`; total += sum_k G[k+1] conj(S[k])."""
    m = lam.shape[1]
    lam_re, lam_im, total_re, total_im = lam[0], lam[1], total[0], total[1]
    for k in range(length - 1, -1, -1):
        g_re, g_im, next_re, next_im = G[k, :m], G[k, m:], G[k + 1, :m], G[k + 1, m:]
        x_re, x_im = S[k, :m], S[k, m:]
        for i in range(m):
            re, im = next_re[i], next_im[i]
            total_re[i] += re * x_re[i] + im * x_im[i]
            total_im[i] += im * x_re[i] - re * x_im[i]
            g_re[i] += lam_re[i] * re + lam_im[i] * im
            g_im[i] += lam_re[i] * im - lam_im[i] * re


@compiled
def forward(
    gemm: int, u: Any, lam: Any, B: Any, C: Any, D: Any, direct: bool, borders: Any, y: Any, length: int, post: bool,
    first: int, last: int, mode: int,
) -> None:  # fmt: skip
    """y and borders[:, 1:] for items first..last-1 and the modes from `mode` on, from borders[:, 0].

    Shapes: u (batch, time, n_u), lam (2, m), B (n_u, 2 m), C (2 m, n_y), D (n_u, n_y) used if `direct`,
    borders (batch, chunks + 1, 2, n_x), y (batch, time, n_y).
    """
    time, m = u.shape[1], lam.shape[1]
    S = np.empty((length + 1, 2 * m), u.dtype)
    for b in range(first, last):
        S[0, :m] = borders[b, 0, 0, mode : mode + m]
        S[0, m:] = borders[b, 0, 1, mode : mode + m]
        for c in range(borders.shape[1] - 1):
            rows = min(length, time - c * length)
            u_c, y_c = u[b, c * length : c * length + rows], y[b, c * length : c * length + rows]
            multiply(gemm, u_c, B, S[1 : rows + 1], False)
            advance(S, rows, lam)
            multiply(gemm, S[1 : rows + 1] if post else S[:rows], C, y_c, False)
            if direct:
                multiply(gemm, u_c, D, y_c, True)
            S[0] = S[rows]
            borders[b, c + 1, 0, mode : mode + m] = S[0, :m]
            borders[b, c + 1, 1, mode : mode + m] = S[0, m:]


@compiled
def backward(
    gemm: int, y_grad: Any, u: Any, lam: Any, B: Any, C: Any, D: Any, B_out: Any, direct: bool, borders: Any,
    carry: Any, u_grad: Any, wants_u: bool, lam_sum: Any, B_sum: Any, C_sum: Any, D_sum: Any, length: int, post: bool,
    first: int, last: int, mode: int,
) -> None:  # fmt: skip
    """Gradients, for items first..last-1 and modes from `mode` on; a chunk is recomputed from its border.

    `carry` (batch, 2, n_x) is the gradient of x_end and becomes that of x0. The sums gain the gradients of lam (2, m),
    B (n_u, 2 m), C (n_y, 2 m) and D (n_y, n_u). Here C is (n_y, 2 m), D (n_y, n_u), and B_out (2 m, n_u).
    """
    time, m = u.shape[1], lam.shape[1]
    S, G = np.empty((length + 1, 2 * m), u.dtype), np.empty((length + 1, 2 * m), u.dtype)
    total = np.empty_like(lam)
    for b in range(first, last):
        for c in range(borders.shape[1] - 2, -1, -1):
            start, rows = c * length, min(length, time - c * length)
            u_c, y_c = u[b, start : start + rows], y_grad[b, start : start + rows]
            S[0, :m] = borders[b, c, 0, mode : mode + m]
            S[0, m:] = borders[b, c, 1, mode : mode + m]
            multiply(gemm, u_c, B, S[1 : rows + 1], False)
            advance(S, rows, lam)
            add_product(gemm, y_c, S[1 : rows + 1] if post else S[:rows], C_sum)
            G[rows] = 0.0
            if post:
                multiply(gemm, y_c, C, G[1 : rows + 1], False)
                G[0] = 0.0
            else:
                multiply(gemm, y_c, C, G[:rows], False)
            G[rows, :m] += carry[b, 0, mode : mode + m]
            G[rows, m:] += carry[b, 1, mode : mode + m]
            total[:] = 0.0  # one chunk's sum, so that float32 does not lose a long record's
            retreat(G, S, rows, lam, total)
            lam_sum += total
            carry[b, 0, mode : mode + m] = G[0, :m]
            carry[b, 1, mode : mode + m] = G[0, m:]
            add_product(gemm, u_c, G[1 : rows + 1], B_sum)
            if wants_u:
                multiply(gemm, G[1 : rows + 1], B_out, u_grad[b, start : start + rows], False)
            if direct:
                add_product(gemm, y_c, u_c, D_sum)
                if wants_u:
                    multiply(gemm, y_c, D, u_grad[b, start : start + rows], True)
