import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { countZeros } from '../../src/sparsity/count-stored-zeros.js';
import type { Pattern } from '../../src/sparsity/pattern.js';
import { uniform } from '../support/random.js';

const pool = new WorkerPool(2);
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const dtypes = [
  { dtype: 'BF16' as const, bytes: 2, zeros: [0, 0x8000], others: [1, 0x8001, 0x3f80, 0x7f80] },
  { dtype: 'F16' as const, bytes: 2, zeros: [0, 0x8000], others: [1, 0x8001, 0x3c00, 0x7c00] },
  {
    dtype: 'F32' as const,
    bytes: 4,
    zeros: [0, 0x80000000],
    others: [1, 0x80000001, 0x3f800000, 0x00010000],
  },
];
type Stored = (typeof dtypes)[number];

let files = 0;
/** A tensor behind 6 other bytes, and after it more non-zeros that don't belong to it. */
function store({ dtype, bytes, zeros, others }: Stored, shape: readonly number[], density: number) {
  const count = shape.reduce((product, size) => product * size, 1);
  const next = uniform(count);
  const offset = 6;
  const file = Buffer.alloc(offset + count * bytes + 8, 0x11);
  const isZero = Array.from({ length: count }, (_, i) => {
    const zero = next() < density;
    const from = zero ? zeros : others;
    file.writeUIntLE(from[i % from.length] as number, offset + i * bytes, bytes);
    return zero;
  });
  const path = join(folder, `${files++}.bin`);
  writeFileSync(path, file);
  return { tensor: { name: 'w', file: path, offset, dtype, shape }, isZero };
}

function violations(isZero: readonly boolean[], keep: number, of: number): number {
  let found = 0;
  for (let start = 0; start < isZero.length; start += of) {
    const kept = isZero.slice(start, start + of).filter((zero) => !zero).length;
    if (kept > keep) found++;
  }
  return found;
}

describe.each(dtypes)('in $dtype', (stored) => {
  it.each([[[]], [[0]], [[5, 0]], [[0, 8]], [[1]], [[17]], [[3, 5]], [[2, 3, 40]], [[37, 120]]])(
    'counts both zeros of shape %j',
    async (shape) => {
      for (const density of [0, 0.5, 1]) {
        const { tensor, isZero } = store(stored, shape, density);
        const expected = { zeros: isZero.filter(Boolean).length, violations: 0 };
        expect(await countZeros(pool, tensor, undefined)).toEqual(expected);
        expect(await countZeros(pool, tensor, { kind: 'unstructured', sparsity: 0.5 })).toEqual(expected);
      }
    },
  );

  it.each([
    [2, 4],
    [1, 4],
    [1, 2],
    [4, 8],
    [3, 5],
    [20, 40],
  ])('counts the groups that break %i:%i', async (keep, of) => {
    const pattern: Pattern = { kind: 'n:m', keep, of };
    for (const shape of [[7, 120], [120], [0, 40], [3, 2, 40]]) {
      const { tensor, isZero } = store(stored, shape, 0.5);
      expect(await countZeros(pool, tensor, pattern)).toEqual({
        zeros: isZero.filter(Boolean).length,
        violations: violations(isZero, keep, of),
      });
    }
  });
});

it('counts tensors of more than one task, and one long row', async () => {
  const bf16 = dtypes[0] as Stored;
  const count = 4_194_304 + 1088;
  const data = Buffer.alloc(count * 2);
  for (let i = 0; i < count; i += 8) data.writeUInt16LE(bf16.others[(i >> 3) % 4] as number, i * 2);
  // One group of eight too full, in the second task.
  data.fill(0x3f, (count - 8) * 2);
  const path = join(folder, 'large.bin');
  writeFileSync(path, data);
  for (const shape of [[count], [count / 8, 8], [8, count / 8]]) {
    const tensor = { name: 'w', file: path, offset: 0, dtype: bf16.dtype, shape };
    expect(await countZeros(pool, tensor, { kind: 'n:m', keep: 1, of: 8 })).toEqual({
      zeros: (count / 8 - 1) * 7,
      violations: 1,
    });
    expect((await countZeros(pool, tensor, undefined)).zeros).toBe((count / 8 - 1) * 7);
  }
});

it('refuses groups that would reach from one row into the next', async () => {
  const { tensor } = store(dtypes[0] as Stored, [4, 6], 0.5);
  await expect(countZeros(pool, tensor, { kind: 'n:m', keep: 2, of: 4 })).rejects.toThrow('4');
});

it('names the worker failure when the file is shorter than the tensor', async () => {
  const { tensor } = store(dtypes[0] as Stored, [4, 6], 0.5);
  await expect(countZeros(pool, { ...tensor, shape: [4000, 6] }, undefined)).rejects.toThrow(tensor.file);
});
