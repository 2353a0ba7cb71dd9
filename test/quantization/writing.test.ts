/** Encoded tensors as they are written: in this thread, as workers do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { withoutMember } from '../../src/checkpoint/without-member.js';
import { RunError } from '../../src/errors.js';
import { fitScalesTo } from '../../src/forward/fit-scales-task.js';
import { storeElements } from '../../src/forward/store-task.js';
import { requireOwnScales } from '../../src/pipeline/prepare/require-own-scales.js';
import type { Fp8Tensor, Mxfp4Tensor, TensorFile, TensorView } from '../../src/runtime/tensor-file.js';
import { sourceFile } from '../../src/runtime/worker-files.js';
import { allocateNative, float32View, freeNative } from '../../src/system/native-memory.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { normals } from '../support/random.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-encoded-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Zeroed bytes with a margin before them. */
function emptyFile(name: string, bytes: number, content?: Uint8Array): { path: string; start: number } {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([Buffer.alloc(5, 0x77), content ?? Buffer.alloc(bytes)]));
  return { path, start: 5 };
}

/** Fits scales and stores, and returns what memory holds then. */
async function store(file: TensorFile, weights: Float32Array, offset = 0) {
  const region = allocateNative(weights.length * 4);
  const native = float32View(region.address, weights.length);
  native.set(weights);
  const place = { source: region.address, elements: weights.length, file, offset };
  try {
    fitScalesTo(place);
    const zeros = await storeElements({ ...place, name: 'w', firstIndex: 0, dtype: 'F32' });
    return { zeros, memory: native.slice() };
  } finally {
    freeNative(region);
  }
}

function read(file: TensorFile, elements: number, offset = 0): Float32Array {
  const values = new Float32Array(elements);
  sourceFile(file, { offset, bytes: elements * 4 }).readInto(offset, new Uint8Array(values.buffer));
  return values;
}

describe('FP8', () => {
  const [rows, columns] = [10, 14];
  const block = [4, 6] as const;

  function fp8(name: string, scales: number[], powersOfTwo = false): Fp8Tensor {
    const codes = emptyFile(`${name}.codes`, rows * columns);
    const content = new Uint8Array(Float32Array.from(scales).buffer);
    const own = emptyFile(`${name}.scales`, 0, content);
    return { encoding: 'fp8', ...codes, columns, block, scales: { ...own, dtype: 'F32', powersOfTwo } };
  }
  const scalesOf = ({ scales }: Fp8Tensor) =>
    new Float32Array(Uint8Array.from(readFileSync(scales.path).subarray(scales.start)).buffer);
  const weights = normals(rows * columns, 5).map((value, i) => (i % 3 === 0 ? 0 : value));
  const blockOf = (i: number) =>
    Math.floor(Math.floor(i / columns) / block[0]) * 3 + Math.floor((i % columns) / block[1]);
  const largest = Array.from({ length: 9 }, (_, at) =>
    weights.reduce((most, value, i) => (blockOf(i) === at ? Math.max(most, Math.abs(value)) : most), 0),
  );

  it('memory holds what the file stands for, and zeros stay', async () => {
    const file = fp8('plain', new Array(9).fill(0.01));
    const { zeros, memory } = await store(file, weights);
    expectSameBits(read(file, weights.length), memory);
    expect(scalesOf(file)).toEqual(new Float32Array(9).fill(0.01));
    expect(zeros).toBe(memory.filter((value) => value === 0).length);
    for (const [i, value] of weights.entries()) {
      const off = Math.abs((memory[i] as number) - value);
      expect(off).toBeLessThanOrEqual(Math.max(Math.abs(value) / 16, 0.01 * 2 ** -10) * (1 + 1e-6));
    }
    // What has been rounded once stays, whatever the block beside it.
    const again = await store(file, memory);
    expectSameBits(again.memory, memory);
  });

  it('only scales that are too small are replaced', async () => {
    const given = largest.map((most, at) => (at % 2 ? most / 440 : most / 600));
    const file = fp8('small', given);
    const { memory } = await store(file, weights);
    const scales = scalesOf(file);
    for (const [at, most] of largest.entries()) {
      expect(scales[at]).toBe(Math.fround(at % 2 ? (given[at] as number) : most / 448));
    }
    for (const [i, value] of weights.entries()) {
      expect(Math.abs((memory[i] as number) - value)).toBeLessThanOrEqual(
        Math.max(Math.abs(value) / 16, (scales[blockOf(i)] as number) * 2 ** -10) * (1 + 1e-6),
      );
    }
  });

  it('scales that are powers of two stay so', async () => {
    const file = fp8('powers', new Array(9).fill(2 ** -12), true);
    await store(file, weights);
    for (const [at, scale] of scalesOf(file).entries()) {
      expect(Number.isInteger(Math.log2(scale))).toBe(true);
      expect(scale * 448).toBeGreaterThanOrEqual(largest[at] as number);
      expect(scale * 224).toBeLessThan(largest[at] as number);
    }
  });

  it('scales in half precision stay so', async () => {
    // 0.01, and for the last row of blocks 2⁻¹⁴.
    const halves = Uint16Array.from({ length: 9 }, (_, at) => (at < 6 ? 0x211f : 0x0400));
    const own = emptyFile('half.scales', 0, new Uint8Array(halves.buffer));
    const codes = emptyFile('half.codes', rows * columns);
    const scales = { ...own, dtype: 'F16', powersOfTwo: false } as const;
    const file: Fp8Tensor = { encoding: 'fp8', ...codes, columns, block, scales };
    const { memory } = await store(file, weights);
    expectSameBits(read(file, weights.length), memory);
    const bytes = Uint8Array.from(readFileSync(own.path).subarray(own.start));
    const written = new Uint16Array(bytes.buffer);
    expect(written.subarray(0, 6)).toEqual(halves.subarray(0, 6));
    for (const at of [6, 7, 8]) {
      const half = written[at] as number;
      const scale = (1 + (half & 1023) / 1024) * 2 ** ((half >> 10) - 15);
      expect((scale * 448) / (largest[at] as number)).toBeCloseTo(1, 3);
    }
  });

  it('a value that is too large for a scale that is left is an error, and so is NaN', async () => {
    const file = fp8('left', new Array(9).fill(1e-9));
    const region = allocateNative(weights.length * 4);
    float32View(region.address, weights.length).set(weights);
    const args = {
      name: 'w',
      source: region.address,
      elements: weights.length,
      firstIndex: 0,
      dtype: 'F32' as const,
    };
    await expect(storeElements({ ...args, file, offset: 0 })).rejects.toThrow(RunError);
    freeNative(region);
    const bad = weights.slice();
    bad[17] = Number.NaN;
    await expect(store(file, bad)).rejects.toThrow('weight at index 17 is not finite');
  });
});

describe('MXFP4', () => {
  // Two experts of [6 outputs, 64 inputs]; a part is every second output of the second.
  const [out, inputs] = [6, 64];
  const groups = 2 * out * (inputs / 32);

  function mxfp4(name: string, scale: number): Mxfp4Tensor {
    const codes = emptyFile(`${name}.codes`, groups * 16);
    return {
      encoding: 'mxfp4',
      ...codes,
      scales: emptyFile(`${name}.scales`, 0, new Uint8Array(groups).fill(scale)),
    };
  }

  it('a part is written beside the others, with scales of its own', async () => {
    const whole = mxfp4('experts', 120);
    const part: TensorView = {
      whole,
      start: 0,
      elementBytes: 4,
      columns: inputs,
      strides: { offset: (out + 1) * inputs, run: 3, runStride: 0, rowStride: 2 * inputs, columnStride: 1 },
    };
    const weights = normals(3 * inputs, 9).map((value, i) =>
      i % 2 === 0 ? 0 : value * (i < inputs ? 0.01 : 1),
    );
    const { zeros, memory } = await store(part, weights);
    expectSameBits(read(part, weights.length), memory);
    expect(zeros).toBe(memory.filter((value) => value === 0).length);
    const scales = readFileSync(whole.scales.path).subarray(whole.scales.start);
    const all = read(whole, groups * 32);
    for (let row = 0; row < 2 * out; row++) {
      const position = [out + 1, out + 3, out + 5].indexOf(row);
      for (let group = 0; group < 2; group++) {
        const scale = scales[row * 2 + group] as number;
        const own = weights.slice(position * inputs + group * 32, position * inputs + group * 32 + 32);
        const most = position < 0 ? 0 : own.reduce((m, value) => Math.max(m, Math.abs(value)), 0);
        let expected = 120;
        while (most >= 7 * 2 ** (expected - 127)) expected++;
        expect(scale).toBe(expected);
        if (position < 0)
          expect(all.slice(row * inputs, (row + 1) * inputs).every((v) => v === 0)).toBe(true);
      }
    }
    for (const [i, value] of weights.entries()) {
      const group = (out + 1 + 2 * Math.floor(i / inputs)) * 2 + Math.floor((i % inputs) / 32);
      const step = 2 ** ((scales[group] as number) - 127);
      const off = Math.abs((memory[i] as number) - value);
      expect(off).toBeLessThanOrEqual(Math.max(step / 4, Math.abs(value) / 5));
    }
    const again = await store(part, memory);
    expectSameBits(again.memory, memory);
  });
});

describe('linears that share scales', () => {
  const check = (first: number, rows: number, wholeRows = 12, prefix = 'model.layers.0.') => {
    const name = `${prefix}qkv.weight`;
    const stored = {
      tensor: name,
      shape: [wholeRows, 6],
      offset: first * 6,
      run: rows,
      runStride: 0,
      rowStride: 6,
      columnStride: 1,
    };
    const linear = { name: 'q', out: rows, in: 6, inputGroup: 'x' };
    const unit = {
      prefix,
      tensors: [{ name: 'q.weight', shape: [rows, 6], stored: { ...stored, tensor: 'qkv.weight' } }],
      linears: [linear],
    };
    const isExpert = prefix !== 'model.layers.0.';
    const experts = { perToken: 1, units: [unit] };
    const block = isExpert ? { prefix: 'model.layers.0.', tensors: [], linears: [], experts } : unit;
    const file = { encoding: 'fp8', path: 'x', start: 0, columns: 6, block: [4, 4] };
    const whole = { name, file, offset: 0, dtype: 'F32', shape: [wholeRows, 6] };
    const other = { name: 'embedding', shape: [1] };
    requireOwnScales({
      model: { blocks: [block], embedding: other, head: other, closing: { tensors: [] } },
      layers: [{ block: 0, unit, linear, name: `${prefix}q`, pattern: { kind: 'n:m' } }],
      tensors: new Map([[name, whole]]),
      locate: () => ({ ...whole, offset: first * 6 * 4, shape: [rows, 6] }),
    } as never);
  };

  it('are refused by name', () => {
    expect(() => check(0, 4)).not.toThrow();
    expect(() => check(4, 8)).not.toThrow();
    expect(() => check(8, 2, 10)).not.toThrow();
    for (const [first, rows] of [
      [2, 4],
      [4, 6],
      [0, 2],
    ] as const) {
      expect(() => check(first, rows)).toThrow('model.layers.0.q shares scales of model.layers.0.qkv.weight');
      const prefix = 'model.layers.0.experts.1.';
      expect(() => check(first, rows, 12, prefix)).toThrow(`${prefix}q shares scales of ${prefix}qkv.weight`);
    }
  });
});

describe('withoutMember', () => {
  const value = '{"a": [1, {"b": "}, \\" {"}], "c": "x"}';
  it.each([
    [`{"q": ${value}, "r": 1e-06}`, '{ "r": 1e-06}'],
    [`{\n  "p": 1.0,\n  "q": ${value},\n  "r": 2\n}\n`, '{\n  "p": 1.0,\n  "r": 2\n}\n'],
    [`{\n  "p": 1.0,\n  "q": ${value}\n}\n`, '{\n  "p": 1.0\n}\n'],
    [`{"q": ${value}}`, '{}'],
    ['{"p": {"q": 1}}', '{"p": {"q": 1}}'],
    ['{}', '{}'],
  ])('%s', (json, expected) => {
    expect(withoutMember(json, ['q'])).toBe(expected);
  });

  it.each([
    [`{"a": 1, "p": {"r": 2, "q": ${value}}, "q": 3}`, '{"a": 1, "p": {"r": 2}, "q": 3}'],
    [
      `{\n  "p": {\n    "q": ${value},\n    "r": {"q": 1}\n  }\n}\n`,
      '{\n  "p": {\n    "r": {"q": 1}\n  }\n}\n',
    ],
    ['{"p" :null , "q": 1}', '{"p" :null , "q": 1}'],
    ['{"p": "{\\"q\\": 1}"}', '{"p": "{\\"q\\": 1}"}'],
    ['{"q": 1}', '{"q": 1}'],
  ])('within another: %s', (json, expected) => {
    expect(withoutMember(json, ['p', 'q'])).toBe(expected);
  });
});
