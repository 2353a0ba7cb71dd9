import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { storeElements } from '../../src/forward/store-task.js';
import { float32View } from '../../src/system/native-memory.js';
import { bf16, f16, numberFrom } from '../kernels/float16-formats.js';
import { bitsOf } from '../kernels/workspace.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** More than passes through the kernels at a time. */
const ELEMENTS = 100_003;

/** Stores the weights, and gives what the file and the memory hold then. */
async function store(dtype: 'BF16' | 'F16' | 'F32', weights: Float32Array, name: string) {
  const path = join(folder, `${dtype} ${name}`);
  const bytes = weights.length * (dtype === 'F32' ? 4 : 2);
  writeFileSync(path, '');
  truncateSync(path, bytes);
  const { address } = nativeTensor(weights, [weights.length]);
  const zeros = await storeElements({
    name,
    source: address,
    elements: weights.length,
    firstIndex: 0,
    dtype,
    file: path,
    offset: 0,
  });
  const file = readFileSync(path);
  const data = file.buffer.slice(file.byteOffset, file.byteOffset + bytes);
  const format = dtype === 'BF16' ? bf16 : f16;
  const stored =
    dtype === 'F32'
      ? new Float32Array(data)
      : Float32Array.from(new Uint16Array(data), (bits) => numberFrom(format, bits));
  return { zeros, stored, memory: Float32Array.from(float32View(address, weights.length)) };
}

describe.each(['BF16', 'F16', 'F32'] as const)('storeElements as %s', (dtype) => {
  it('leaves in memory what the file holds, and counts its zeros', async () => {
    const weights = Float32Array.from(normals(ELEMENTS, 1));
    weights.fill(0, 10, 20);
    weights[70_000] = -0;
    const { zeros, stored, memory } = await store(dtype, weights, 'any');
    expect(bitsOf(memory)).toEqual(bitsOf(stored));
    expect(zeros).toBe(stored.filter((value) => value === 0).length);
    const halfStep = { BF16: 2 ** -8, F16: 2 ** -11, F32: 0 }[dtype];
    const wrong = stored.filter((value, i) => {
      const weight = weights[i] as number;
      // Below its normal numbers f16 goes in steps of 2⁻²⁴.
      return Math.abs(value - weight) > Math.max(halfStep * Math.abs(weight), dtype === 'F16' ? 2 ** -25 : 0);
    });
    expect(wrong).toEqual(new Float32Array(0));
  });

  it('keeps weights that are stored as they are, beside ones that are not', async () => {
    const weights = Float32Array.from({ length: ELEMENTS }, (_, i) => (i % 5 === 0 ? 0 : (i % 97) / 64));
    const exact = await store(dtype, weights, 'exact');
    expect(bitsOf(exact.stored)).toEqual(bitsOf(weights));
    expect(bitsOf(exact.memory)).toEqual(bitsOf(weights));
    weights[ELEMENTS - 1] = 1 + 2 ** -23;
    const mixed = await store(dtype, weights, 'mixed');
    expect(bitsOf(mixed.memory)).toEqual(bitsOf(mixed.stored));
    expect(mixed.memory[ELEMENTS - 1]).toBe(dtype === 'F32' ? 1 + 2 ** -23 : 1);
    expect(mixed.zeros).toBe(exact.zeros);
  });
});
