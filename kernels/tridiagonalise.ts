/** @module */

/**
 * Householder's reduction of a symmetric `n × n` f64 matrix to tridiagonal form, without the transformations (Martin,
 * Reinsch & Wilkinson 1968). `a` holds the rows of its lower triangle one after another, row r from r(r+1)/2 on, and is
 * destroyed. Writes the diagonal to `d` [n], and to `e` [n] what is left of it, from e[1] on.
 * `work` has room for 4 n f64.
 *
 * The rank-two update of one step and the product of the next go through the matrix together, so that it is read and
 * written once a step.
 */
export function tridiagonalise(a: usize, n: usize, d: usize, e: usize, work: usize): void {
  const bytes = n << 3;
  let u = work;
  let p = work + bytes;
  let before = work + 2 * bytes;
  let q = work + 3 * bytes;
  memory.fill(before, 0, bytes);
  memory.fill(q, 0, bytes);
  for (let i = n - 1; i > 0; i--) {
    const row = a + ((i * (i + 1)) << 2);
    updateRow(row, before, q, i);
    store<f64>(d + (i << 3), load<f64>(row + (i << 3)));
    const last = row + ((i - 1) << 3);
    const f = load<f64>(last);
    let rest: f64 = 0;
    for (let c: usize = 0; c < i - 1; c++) {
      const x = load<f64>(row + (c << 3));
      rest += x * x;
    }
    let g = f;
    let h: f64 = 0;
    if (rest > 0) {
      g = sqrt(rest + f * f);
      if (f > 0) g = -g;
      h = g * g - f * g;
      memory.copy(u, row, i << 3);
      store<f64>(u + ((i - 1) << 3), f - g);
    } else memory.fill(u, 0, i << 3);
    store<f64>(e + (i << 3), g);
    memory.fill(p, 0, i << 3);
    sweep(a, i, before, q, u, p);
    if (h > 0) finishStep(u, p, i, h);
    const oldBefore = before;
    const oldQ = q;
    before = u;
    q = p;
    u = oldBefore;
    p = oldQ;
  }
  updateRow(a, before, q, 0);
  store<f64>(d, load<f64>(a));
  store<f64>(e, 0);
}

/** What the step before owes row i: x[c] −= u[i]·q[c] + q[i]·u[c] for c ≤ i. */
function updateRow(row: usize, u: usize, q: usize, i: usize): void {
  const ui = load<f64>(u + (i << 3));
  const qi = load<f64>(q + (i << 3));
  for (let c: usize = 0; c <= i; c++) {
    const at = c << 3;
    store<f64>(row + at, load<f64>(row + at) - (ui * load<f64>(q + at) + qi * load<f64>(u + at)));
  }
}

/** From p = A·u: q = p/h − (uᵀp / 2h²)·u, in the place of p. */
function finishStep(u: usize, p: usize, n: usize, h: f64): void {
  let sum: f64 = 0;
  for (let c: usize = 0; c < n; c++) sum += load<f64>(u + (c << 3)) * load<f64>(p + (c << 3));
  const k = sum / (2 * h * h);
  for (let c: usize = 0; c < n; c++) {
    const at = c << 3;
    store<f64>(p + at, load<f64>(p + at) / h - k * load<f64>(u + at));
  }
}

/** A −= b·qᵀ + q·bᵀ and, of what A is then, p += A·u, over its first n rows. Two rows at a time share what they read. */
function sweep(a: usize, n: usize, b: usize, q: usize, u: usize, p: usize): void {
  let r: usize = 0;
  for (; r + 2 <= n; r += 2) {
    const at = r << 3;
    const row0 = a + ((r * (r + 1)) << 2);
    const row1 = row0 + ((r + 1) << 3);
    const b0 = load<f64>(b + at);
    const b1 = load<f64>(b + at, 8);
    const q0 = load<f64>(q + at);
    const q1 = load<f64>(q + at, 8);
    const u0 = load<f64>(u + at);
    const u1 = load<f64>(u + at, 8);
    const B0 = f64x2.splat(b0);
    const B1 = f64x2.splat(b1);
    const Q0 = f64x2.splat(q0);
    const Q1 = f64x2.splat(q1);
    const U0 = f64x2.splat(u0);
    const U1 = f64x2.splat(u1);
    let s0 = f64x2.splat(0);
    let s1 = f64x2.splat(0);
    // r is even.
    for (let c: usize = 0; c < r; c += 2) {
      const at = c << 3;
      const qc = v128.load(q + at);
      const bc = v128.load(b + at);
      const uc = v128.load(u + at);
      const x0 = f64x2.sub(v128.load(row0 + at), f64x2.add(f64x2.mul(B0, qc), f64x2.mul(Q0, bc)));
      const x1 = f64x2.sub(v128.load(row1 + at), f64x2.add(f64x2.mul(B1, qc), f64x2.mul(Q1, bc)));
      v128.store(row0 + at, x0);
      v128.store(row1 + at, x1);
      s0 = f64x2.add(s0, f64x2.mul(x0, uc));
      s1 = f64x2.add(s1, f64x2.mul(x1, uc));
      v128.store(p + at, f64x2.add(v128.load(p + at), f64x2.add(f64x2.mul(x0, U0), f64x2.mul(x1, U1))));
    }
    const d0 = load<f64>(row0 + at) - 2 * b0 * q0;
    const o = load<f64>(row1 + at) - (b1 * q0 + q1 * b0);
    const d1 = load<f64>(row1 + at, 8) - 2 * b1 * q1;
    store<f64>(row0 + at, d0);
    store<f64>(row1 + at, o);
    store<f64>(row1 + at, d1, 8);
    const p0 = f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1) + d0 * u0 + o * u1;
    const p1 = f64x2.extract_lane(s1, 0) + f64x2.extract_lane(s1, 1) + o * u0 + d1 * u1;
    store<f64>(p + at, load<f64>(p + at) + p0);
    store<f64>(p + at, load<f64>(p + at, 8) + p1, 8);
  }
  if (r < n) {
    const row = a + ((r * (r + 1)) << 2);
    const br = load<f64>(b + (r << 3));
    const qr = load<f64>(q + (r << 3));
    const ur = load<f64>(u + (r << 3));
    let sum: f64 = 0;
    for (let c: usize = 0; c <= r; c++) {
      const at = c << 3;
      const x = load<f64>(row + at) - (br * load<f64>(q + at) + qr * load<f64>(b + at));
      store<f64>(row + at, x);
      sum += x * load<f64>(u + at);
      if (c < r) store<f64>(p + at, load<f64>(p + at) + x * ur);
    }
    store<f64>(p + (r << 3), load<f64>(p + (r << 3)) + sum);
  }
}
