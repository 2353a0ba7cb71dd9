import { describe, expect, it } from 'vitest';
import { bf16, f16, numberFrom } from './float16-formats.js';
import { bitsOf, fromBits, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

describe.each([
  { name: 'bf16ToF32' as const, format: bf16 },
  { name: 'f16ToF32' as const, format: f16 },
])('$name', ({ name, format }) => {
  function decode(source: Uint16Array<ArrayBuffer>) {
    const from = workspace.put(source);
    const to = workspace.out(source.length * 4);
    const found = kernels[name](from, to, source.length);
    const values = kernels.f32(to, source.length).slice();
    workspace.finish();
    return { found, values };
  }

  it('decodes all 65536 patterns', () => {
    const { values } = decode(Uint16Array.from({ length: 65_536 }, (_, bits) => bits));
    const wrong = [...values].flatMap((value, bits) =>
      Object.is(value, numberFrom(format, bits)) ? [] : [bits],
    );
    expect(wrong).toEqual([]);
  });

  it('keeps sign and payload of every NaN', () => {
    const nans = Uint16Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) =>
      Number.isNaN(numberFrom(format, bits)),
    );
    const { values } = decode(nans);
    const shift = 23 - format.mantissaBits;
    for (const [i, bits] of nans.entries()) {
      const payload = (bits % 2 ** format.mantissaBits) * 2 ** shift;
      expect(bitsOf(values)[i]).toBe((bits >= 0x8000 ? 2 ** 31 : 0) + 0x7f800000 + payload);
    }
  });

  it.each([0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100])('writes exactly n = %i values', (n) => {
    const source = Uint16Array.from({ length: n }, (_, i) => 0x3a11 + 37 * i);
    const { found, values } = decode(source);
    expect(found).toBe(-1);
    expect([...values]).toEqual([...source].map((bits) => numberFrom(format, bits)));
  });

  it('returns the first index that is not finite, wherever it is', () => {
    const n = 43;
    for (const special of [0, 1, 0x8000, 0x8000 + 9].map((offset) => format.infinity + offset)) {
      for (let at = 0; at < n; at++) {
        const source = new Uint16Array(n).fill(format.infinity - 1);
        source[at] = special;
        source[Math.min(n - 1, at + 5)] = special;
        expect(decode(source).found).toBe(at);
      }
    }
  });
});

describe('firstNonFinite', () => {
  function firstNonFinite(values: Float32Array<ArrayBuffer>): number {
    const found = kernels.firstNonFinite(workspace.put(values), values.length);
    workspace.finish();
    return found;
  }

  it('passes the extreme finite values', () => {
    for (const n of [0, 1, 3, 15, 16, 17, 50]) {
      expect(firstNonFinite(fromBits(new Array(n).fill(0x7f7fffff)))).toBe(-1);
      expect(firstNonFinite(fromBits(new Array(n).fill(0x807fffff)))).toBe(-1);
    }
  });

  it('finds the first of them at every place', () => {
    for (const special of [0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffffffff]) {
      for (let at = 0; at < 53; at++) {
        const bits = new Uint32Array(53).fill(0x7f7fffff);
        bits[at] = special;
        bits[52] = special;
        expect(firstNonFinite(fromBits(bits))).toBe(at);
      }
    }
  });

  it('does not look behind the end', () => {
    const place = workspace.put(Float32Array.of(1, 2, Number.NaN, Number.NaN));
    expect(kernels.firstNonFinite(place, 2)).toBe(-1);
    workspace.finish();
  });
});

describe.each([
  { name: 'firstNonFiniteBf16' as const, format: bf16 },
  { name: 'firstNonFiniteF16' as const, format: f16 },
])('$name', ({ name, format }) => {
  it('agrees with the format about all 65536 patterns', () => {
    const place = workspace.put(Uint16Array.from({ length: 65_536 }, (_, bits) => bits));
    const wrong = Array.from({ length: 65_536 }, (_, bits) => bits).filter(
      (bits) => (kernels[name](place + bits * 2, 1) === -1) !== Number.isFinite(numberFrom(format, bits)),
    );
    expect(wrong).toEqual([]);
    workspace.finish();
  });

  it('finds the first at every place, and nothing behind the end', () => {
    const n = 75;
    for (let at = 0; at <= n; at++) {
      const source = new Uint16Array(n + 1).fill(format.infinity - 1);
      source[at] = format.infinity;
      source[n] = format.infinity + 1;
      const place = workspace.put(source);
      expect(kernels[name](place, n)).toBe(at < n ? at : -1);
      workspace.finish();
    }
  });
});
