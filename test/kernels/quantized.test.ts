/** The kernels of FP8 and MXFP4 against PyTorch and transformers (scripts/golden/make-quantized.py). */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectSameBits } from '../support/expect-same-bits.js';
import { normals } from '../support/random.js';
import { readGolden } from '../support/safetensors.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const golden = readGolden(
  fileURLToPath(new URL('../golden/quantized/encodings.safetensors', import.meta.url)),
);
const floats = (name: string) => golden.get(name)?.data as Float32Array<ArrayBuffer>;
const bytes = (name: string) => golden.get(name)?.data as Uint8Array<ArrayBuffer>;

interface Columns {
  readonly first: number;
  readonly width: number;
}

function fromFp8(codes: Uint8Array<ArrayBuffer>, scales: number[], columns: Columns) {
  const from = workspace.put(codes);
  const factors = workspace.put(Float32Array.from(scales));
  const to = workspace.out(codes.length * 4);
  kernels.fp8ToF32(from, factors, to, codes.length, columns);
  const values = kernels.f32(to, codes.length).slice();
  workspace.finish();
  return values;
}

function toFp8(values: Float32Array<ArrayBuffer>, scales: number[], columns: Columns) {
  const from = workspace.put(values);
  const factors = workspace.put(Float32Array.from(scales));
  const to = workspace.out(values.length);
  const unfit = kernels.f32ToFp8(from, factors, to, values.length, columns);
  const codes = kernels.u8(to, values.length).slice();
  workspace.finish();
  return { unfit, codes };
}

function fromMxfp4(codes: Uint8Array<ArrayBuffer>, scales: Uint8Array<ArrayBuffer>) {
  const from = workspace.put(codes);
  const factors = workspace.put(scales);
  const to = workspace.out(scales.length * 128);
  kernels.mxfp4ToF32(from, factors, to, scales.length);
  const values = kernels.f32(to, scales.length * 32).slice();
  workspace.finish();
  return values;
}

function toMxfp4(values: Float32Array<ArrayBuffer>, scales: Uint8Array<ArrayBuffer>) {
  const from = workspace.put(values);
  const factors = workspace.put(scales);
  const to = workspace.out(scales.length * 16);
  const unfit = kernels.f32ToMxfp4(from, factors, to, scales.length);
  const codes = kernels.u8(to, scales.length * 16).slice();
  workspace.finish();
  return { unfit, codes };
}

const allCodes = Uint8Array.from({ length: 256 }, (_, code) => code);
const ONE_SCALE = { first: 0, width: 4096 };

describe('FP8 E4M3', () => {
  it('decodes all 256 codes', () => {
    const [values, expected] = [fromFp8(allCodes, [1], ONE_SCALE), floats('fp8.values')];
    const wrong = [...values].flatMap((value, code) => (Object.is(value, expected[code]) ? [] : [code]));
    expect(wrong).toEqual([]);
  });

  it('encodes what it decodes to the same code, with any scale', () => {
    const codes = allCodes.filter((code) => (code & 0x7f) !== 0x7f);
    for (const scale of [1, 2 ** -20, 0.0003141592, 7.77e-12, -1.9999999, 3e30, 448 / 3]) {
      const values = fromFp8(codes, [scale], ONE_SCALE);
      expect([...toFp8(values, [scale], ONE_SCALE).codes]).toEqual([...codes]);
    }
  });

  it('rounds as PyTorch does', () => {
    const { unfit, codes } = toFp8(floats('fp8.rounded.values'), [1], ONE_SCALE);
    expect(unfit).toBe(-1);
    expect([...codes]).toEqual([...bytes('fp8.rounded.codes')]);
  });

  it('takes the scale of each run of columns, wherever it begins', () => {
    const scales = [1, 0.5, 3, 0.25, 7];
    for (const [first, n] of [
      [0, 100],
      [3, 80],
      [19, 1],
      [20, 20],
      [39, 60],
    ] as const) {
      const codes = Uint8Array.from({ length: n }, (_, i) => (i * 37) % 0x7f);
      const values = fromFp8(codes, scales, { first, width: 20 });
      const plain = fromFp8(codes, [1], ONE_SCALE);
      const expected = plain.map((value, i) => value * (scales[Math.floor((first + i) / 20)] as number));
      expectSameBits(values, expected);
      expect([...toFp8(values, scales, { first, width: 20 }).codes]).toEqual([...codes]);
    }
  });

  it('says which value is the first that no code stands for', () => {
    for (const special of [Number.NaN, Number.POSITIVE_INFINITY, -464.1, 1e30]) {
      for (let at = 0; at < 21; at++) {
        const values = new Float32Array(21).fill(448);
        values[at] = special;
        values[Math.min(20, at + 3)] = special;
        expect(toFp8(values, [1], ONE_SCALE).unfit).toBe(at);
      }
    }
  });

  it('a scale of 0 holds zeros, and nothing else', () => {
    const { unfit, codes } = toFp8(
      Float32Array.from({ length: 9 }, (_, i) => (i % 2 ? 0 : -0)),
      [0],
      ONE_SCALE,
    );
    expect(unfit).toBe(-1);
    expect([...codes]).toEqual([0x80, 0, 0x80, 0, 0x80, 0, 0x80, 0, 0x80]);
    expect(toFp8(Float32Array.of(0, 1e-30), [0], ONE_SCALE).unfit).toBe(1);
  });
});

describe('MXFP4', () => {
  it('decodes all pairs of codes and all scales', () => {
    // transformers transposes: [1, 32, groups].
    const expected = floats('mxfp4.values');
    const groups = bytes('mxfp4.scales').length;
    const values = fromMxfp4(bytes('mxfp4.blocks'), bytes('mxfp4.scales'));
    const transposed = values.map((_, i) => values[(i % groups) * 32 + Math.floor(i / groups)] as number);
    expectSameBits(transposed, expected);
  });

  it('decodes every code with every scale to what the format defines', () => {
    const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    // The low codes in order, and the same backwards in the high ones.
    const group = Uint8Array.from({ length: 16 }, (_, code) => code + 16 * (15 - code));
    const scales = Uint8Array.from({ length: 255 }, (_, scale) => scale);
    const codes = new Uint8Array(255 * 16);
    for (const scale of scales) codes.set(group, scale * 16);
    const values = fromMxfp4(codes, scales);
    const expected = values.map((_, i) => {
      const place = i % 32;
      const code = place % 2 === 0 ? place / 2 : 15 - (place - 1) / 2;
      return (code < 8 ? 1 : -1) * (magnitudes[code % 8] as number) * 2 ** (Math.floor(i / 32) - 127);
    });
    expectSameBits(values, expected);
  });

  it('a scale of 255 is NaN', () => {
    expect(fromMxfp4(allCodes.slice(0, 16), Uint8Array.of(255)).every(Number.isNaN)).toBe(true);
  });

  it('encodes what it decodes to the same codes', () => {
    const [blocks, scales] = [bytes('mxfp4.blocks'), bytes('mxfp4.scales')];
    for (const [group, scale] of scales.entries()) {
      // Beyond, the largest codes are Inf in f32.
      if (scale > 252) continue;
      const [codes, own] = [blocks.slice(group * 16, group * 16 + 16), Uint8Array.of(scale)];
      const encoded = toMxfp4(fromMxfp4(codes, own), own);
      expect(encoded.unfit).toBe(-1);
      expect([...encoded.codes]).toEqual([...codes]);
    }
  });

  it('rounds to the nearest, ties to the even code', () => {
    const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    const middles = magnitudes.slice(1).map((value, i) => (value + (magnitudes[i] as number)) / 2);
    const inputs = [
      ...middles,
      ...middles.map((m) => m * (1 - 2 ** -23)),
      ...middles.map((m) => m * (1 + 2 ** -23)),
    ];
    inputs.push(6.9, 0.01, 5.4, 2.2);
    const values = new Float32Array(32);
    values.set(inputs.map((value, i) => (i % 2 ? -value : value) * 2 ** -7));
    const { unfit, codes } = toMxfp4(values, Uint8Array.of(120));
    expect(unfit).toBe(-1);
    const nearest = inputs.map((value, i) => {
      const distance = (code: number) => Math.abs((magnitudes[code] as number) - Math.fround(value));
      const sorted = [...magnitudes.keys()].sort((a, b) => distance(a) - distance(b) || (a % 2) - (b % 2));
      return (sorted[0] as number) + (i % 2 ? 8 : 0);
    });
    const got = [...codes].flatMap((byte) => [byte & 15, byte >> 4]);
    expect(got.slice(0, inputs.length)).toEqual(nearest);
  });

  it('says which value is the first that no code stands for', () => {
    for (const special of [Number.NaN, Number.POSITIVE_INFINITY, -7, 1e30]) {
      for (const at of [0, 1, 31, 32, 50, 63]) {
        const values = new Float32Array(64).fill(6);
        values[at] = special;
        expect(toMxfp4(values, Uint8Array.of(127, 127)).unfit).toBe(at);
      }
    }
  });
});

it('largestMagnitude', () => {
  for (const n of [0, 1, 3, 4, 5, 64, 131]) {
    const values = Float32Array.from(normals(n, 3 + n));
    const place = workspace.put(values);
    expect(kernels.largestMagnitude(place, n)).toBe(
      values.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
    );
    workspace.finish();
  }
  const place = workspace.put(Float32Array.of(1, 2, Number.NaN, 4, 5));
  expect(kernels.largestMagnitude(place, 5)).toBeNaN();
  workspace.finish();
});
