import { describe, expect, it } from 'vitest';
import { uniform } from '../support/random.js';
import { bf16, f16, magnitudes, nearestBits, numberFrom } from './float16-formats.js';
import { bitsOf, fromBits, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

describe.each([
  { name: 'f32ToBf16' as const, back: 'bf16ToF32' as const, format: bf16 },
  { name: 'f32ToF16' as const, back: 'f16ToF32' as const, format: f16 },
])('$name', ({ name, back, format }) => {
  const values = magnitudes(format);

  function encode(source: Float32Array<ArrayBuffer>) {
    const from = workspace.put(source);
    const to = workspace.out(source.length * 2);
    const found = kernels[name](from, to, source.length);
    const bits = kernels.u16(to, source.length).slice();
    workspace.finish();
    return { found, bits };
  }

  /** Expects the nearest, and that the first result that isn't finite was told. */
  function check(source: Float32Array<ArrayBuffer>): void {
    const { found, bits } = encode(source);
    const wrong: object[] = [];
    let firstSpecial = -1;
    for (const [i, x] of source.entries()) {
      const expected = nearestBits(values, x);
      if (expected % 0x8000 === format.infinity && firstSpecial < 0) firstSpecial = i;
      if (bits[i] !== expected) wrong.push({ x, got: bits[i], expected });
    }
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(found).toBe(firstSpecial);
  }

  it('gives back every finite pattern and ±Inf', () => {
    const patterns = Uint16Array.from({ length: 65_536 }, (_, bits) => bits).filter(
      (bits) => !Number.isNaN(numberFrom(format, bits)),
    );
    const decoded = workspace.out(patterns.length * 4);
    kernels[back](workspace.put(patterns), decoded, patterns.length);
    const source = kernels.f32(decoded, patterns.length).slice();
    workspace.finish();
    expect(encode(source).bits).toEqual(patterns);
  });

  it('rounds to nearest even at and beside every midpoint, into subnormals and to Inf', () => {
    const cases: number[] = [];
    for (let low = 0; low < format.infinity; low++) {
      const middle = ((values[low] as number) + (values[low + 1] as number)) / 2;
      const bits = bitsOf(Float32Array.of(middle))[0] as number;
      if (fromBits([bits])[0] !== middle) throw new Error(`${middle} is not an f32`);
      for (const near of [bits - 1, bits, bits + 1]) cases.push(near, near + 2 ** 31);
    }
    check(fromBits(cases));
  });

  it('rounds random bit patterns of all exponents', () => {
    const next = uniform(1);
    const source = fromBits(Array.from({ length: 200_003 }, () => Math.floor(next() * 2 ** 32)));
    check(source.filter((x) => !Number.isNaN(x)));
  });

  it('rounds the extremes of f32', () => {
    check(
      fromBits([
        0,
        2 ** 31,
        1,
        2 ** 31 + 1,
        0x007fffff,
        0x00800000,
        0x7f7fffff,
        0xff7fffff,
        0x7f7f7fff,
        0x7f7f8000,
      ]),
    );
  });

  it('keeps every NaN a NaN with its sign', () => {
    const source = fromBits([
      0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff, 0x7fc00000, 0x7f801000, 0xffc01234, 0xffff8000,
      0x7fff8000,
    ]);
    const { found, bits } = encode(source);
    expect(found).toBe(0);
    for (const [i, pattern] of bits.entries()) {
      expect(numberFrom(format, pattern)).toBeNaN();
      expect(pattern >= 0x8000).toBe((bitsOf(source)[i] as number) >= 2 ** 31);
    }
  });

  it.each([0, 1, 3, 7, 8, 9, 15, 16, 17, 50])('writes exactly n = %i values and finds the first Inf', (n) => {
    check(Float32Array.from({ length: n }, (_, i) => (i - 20) / 7));
    for (let at = 0; at < n; at++) {
      const source = new Float32Array(n).fill(1.5);
      for (let i = at; i < n; i += 3) source[i] = 3.4028234663852886e38;
      check(source);
    }
  });
});

describe('isBf16', () => {
  it('holds for what bf16 decodes to, and for nothing that rounding changes', () => {
    const n = 21;
    const exact = fromBits(Array.from({ length: n }, (_, i) => (0x3f81 + 977 * i) * 65_536));
    const place = workspace.put(exact);
    expect(kernels.isBf16(place, n)).toBe(true);
    expect(kernels.isBf16(place, 0)).toBe(true);
    for (let at = 0; at < n; at++) {
      for (const bit of [0, 7, 15]) {
        bitsOf(kernels.f32(place, n))[at] = (bitsOf(exact)[at] as number) + 2 ** bit;
        expect(kernels.isBf16(place, n)).toBe(false);
        expect(kernels.isBf16(place, at)).toBe(true);
        bitsOf(kernels.f32(place, n))[at] = bitsOf(exact)[at] as number;
      }
    }
    workspace.finish();
  });
});
