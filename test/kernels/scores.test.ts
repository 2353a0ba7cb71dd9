import { describe, expect, it } from 'vitest';
import { normals, uniform } from '../support/random.js';
import { fromBits, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const shapes: [number, number][] = [
  [1, 1],
  [1, 3],
  [2, 4],
  [3, 5],
  [4, 7],
  [5, 16],
  [7, 33],
  [3, 130],
];

/** Weights that include −0 and numbers near both ends of f32. */
function weightsOf(count: number): Float32Array<ArrayBuffer> {
  const weights = Float32Array.from(normals(count, count));
  const specials = [-0, 0, 1e-45, -1e-45, -3.4e38, 1e-20];
  for (let i = 0; i < count; i += 3) weights[i] = specials[(i / 3) % specials.length] as number;
  return weights;
}

describe('absScores', () => {
  it.each(shapes)('|w| of %i×%i', (rows, columns) => {
    const weights = weightsOf(rows * columns);
    const out = workspace.out(weights.byteLength);
    kernels.absScores(workspace.put(weights), out, weights.length);
    expect(kernels.f32(out, weights.length)).toEqual(weights.map(Math.abs));
    workspace.finish();
  });

  it('clears the sign of −0 and of NaN', () => {
    const out = workspace.out(20);
    kernels.absScores(
      workspace.put(fromBits([0x80000000, 0xffc00000, 0xff800000, 0x80000001, 0x80000000])),
      out,
      5,
    );
    expect([...kernels.u32(out, 5)]).toEqual([0, 0x7fc00000, 0x7f800000, 1, 0]);
    workspace.finish();
  });
});

describe('scaledAbsScores', () => {
  it.each(shapes)('|w_ij|·scale_j of %i×%i', (rows, columns) => {
    const next = uniform(columns);
    const weights = weightsOf(rows * columns).map((w) => (Math.abs(w) > 1e30 ? 1e30 : w));
    const scale = Float32Array.from({ length: columns }, (_, j) => (j % 4 === 1 ? 0 : next() * 1000));
    const out = workspace.out(weights.byteLength);
    kernels.scaledAbsScores(workspace.put(weights), workspace.put(scale), out, rows, columns);
    const expected = weights.map((w, i) => Math.abs(w) * (scale[i % columns] as number));
    expect(kernels.f32(out, weights.length)).toEqual(expected);
    workspace.finish();
  });
});

describe('gradientScores', () => {
  it.each(shapes)('|w_ij|·(scale_j + factor·|g_ij|) of %i×%i', (rows, columns) => {
    const weights = Float32Array.from(normals(rows * columns, 1));
    const gradients = Float32Array.from(normals(rows * columns, 2));
    const scale = Float32Array.from(normals(columns, 3), Math.abs);
    const [factor, f] = [2.7, Math.fround];
    const out = workspace.out(weights.byteLength);
    const places = [weights, gradients, scale].map((data) => workspace.put(data)) as [number, number, number];
    kernels.gradientScores(...places, factor, out, rows, columns);
    const expected = weights.map((w, i) => {
      const size = f(f(factor) * Math.abs(gradients[i] as number));
      return Math.abs(w) * f((scale[i % columns] as number) + size);
    });
    expect(kernels.f32(out, weights.length)).toEqual(expected);
    workspace.finish();
  });
});

describe('taylorScores', () => {
  it.each(shapes)('|w·m − ½·(w·r)²| of %i×%i', (rows, columns) => {
    const [weights, mean, rms] = [1, 2, 3].map((seed) =>
      Float32Array.from(normals(rows * columns, seed)),
    ) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
    const out = workspace.out(weights.byteLength);
    kernels.taylorScores(
      workspace.put(weights),
      workspace.put(mean),
      workspace.put(rms),
      out,
      weights.length,
    );
    const f = Math.fround;
    const expected = weights.map((w, i) => {
      const root = f(w * (rms[i] as number));
      return Math.abs(f(w * (mean[i] as number)) - f(0.5 * f(root * root)));
    });
    expect(kernels.f32(out, weights.length)).toEqual(expected);
    workspace.finish();
  });
});

describe('obsScores', () => {
  it.each(shapes)('(w·inverse_c)² of a slab %i×%i', (columns, lanes) => {
    const weights = normals(columns * lanes, lanes) as Float32Array<ArrayBuffer>;
    const inverse = normals(columns, 7).map((u) => 1 / (u + Math.sign(u))) as Float32Array<ArrayBuffer>;
    const out = workspace.out(weights.byteLength);
    kernels.obsScores(workspace.put(weights), workspace.put(inverse), out, columns, lanes);
    for (const [i, score] of kernels.f32(out, weights.length).entries()) {
      const exact = ((weights[i] as number) * (inverse[Math.floor(i / lanes)] as number)) ** 2;
      // Two roundings of f32, the first of them squared.
      expect(Math.abs(score - exact)).toBeLessThanOrEqual(exact * 2 ** -22);
    }
    workspace.finish();
  });
});

describe('dot', () => {
  it.each([0, 1, 2, 7, 8, 9, 15, 16, 17, 1000, 4099])('Σ a·b over n = %i', (n) => {
    const [a, b] = [normals(n, n), normals(n, n + 1)] as [
      Float32Array<ArrayBuffer>,
      Float32Array<ArrayBuffer>,
    ];
    let [sum, size] = [0, 0];
    for (let i = 0; i < n; i++) {
      const product = (a[i] as number) * (b[i] as number);
      sum += product;
      size += Math.abs(product);
    }
    expect(Math.abs(kernels.dot(workspace.put(a), workspace.put(b), n) - sum)).toBeLessThanOrEqual(
      size * 1e-13,
    );
    workspace.finish();
  });

  it('sums in f64: what f32 would lose stays', () => {
    const a = Float32Array.of(2 ** 24, 1, -(2 ** 24), 2 ** -20);
    const b = Float32Array.of(2 ** 10, 1, 2 ** 10, 1);
    expect(kernels.dot(workspace.put(a), workspace.put(b), 4)).toBe(1 + 2 ** -20);
    workspace.finish();
  });
});
