/** Views of larger tensors, written and read by ranges, against indexing element by element. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { storeElements } from '../../src/forward/store-task.js';
import type { TensorView } from '../../src/runtime/tensor-file.js';
import { sourceFile, writeExactly } from '../../src/runtime/worker-files.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { nativeTensor } from '../support/native.js';
import { normals } from '../support/random.js';

const folder = mkdtempSync(join(tmpdir(), 'secateur-views-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEADER = 10;

/** Index within the larger tensor of element (row, column). */
function place({ strides }: TensorView, row: number, column: number): number {
  const { offset, run, runStride, rowStride, columnStride } = strides;
  return offset + Math.floor(row / run) * runStride + (row % run) * rowStride + column * columnStride;
}

const [rows, columns] = [6, 5];
const cases = {
  'rows one after the other': { offset: 7, run: 6, runStride: 0, rowStride: 5, columnStride: 1 },
  'runs of rows': { offset: 7, run: 2, runStride: 25, rowStride: 5, columnStride: 1 },
  'rows as columns': { offset: 7, run: 6, runStride: 0, rowStride: 1, columnStride: 8 },
  'rows as every other column': { offset: 1, run: 6, runStride: 0, rowStride: 2, columnStride: 12 },
  'runs of every other column': { offset: 1, run: 3, runStride: 60, rowStride: 2, columnStride: 6 },
};

describe.each(Object.entries(cases))('a view of %s', (name, strides) => {
  it.each([2, 4] as const)('reads and writes its own elements of %i bytes', (elementBytes) => {
    const path = join(folder, `${name} ${elementBytes}`);
    const view: TensorView = { path, start: HEADER, elementBytes, columns, strides };
    const size = 120;
    const whole = Uint8Array.from({ length: HEADER + size * elementBytes }, (_, i) => (i * 7) % 251);
    for (let first = 0; first < rows * columns; first++) {
      for (const count of [1, 4, rows * columns - first]) {
        if (first + count > rows * columns) continue;
        const data = Uint8Array.from({ length: count * elementBytes }, (_, i) => 255 - (i % 100));
        const expected = whole.slice();
        for (let i = 0; i < count; i++) {
          const at = place(view, Math.floor((first + i) / columns), (first + i) % columns);
          expected.set(data.subarray(i * elementBytes, (i + 1) * elementBytes), HEADER + at * elementBytes);
        }
        writeFileSync(path, whole);
        writeExactly(view, first * elementBytes, data);
        expect(new Uint8Array(readFileSync(path))).toEqual(expected);
        const read = new Uint8Array(data.length);
        sourceFile(view).readInto(first * elementBytes, read);
        expect(read).toEqual(data);
      }
    }
  });
});

describe('views with elements between each other', () => {
  it('are written at the same time by several workers', { timeout: 30_000 }, async () => {
    const pool = new WorkerPool(3);
    const path = join(folder, 'together');
    const [out, inputs] = [300, 64];
    const matrices = [0, 1, 2].map((index) => Float32Array.from(normals(out * inputs, index + 1)));
    writeFileSync(path, new Uint8Array(3 * out * inputs * 4));
    const half = (out / 2) * inputs;
    const tasks = matrices.flatMap((matrix, index) => {
      const strides = { offset: index, run: out, runStride: 0, rowStride: 3, columnStride: 3 * out };
      const file: TensorView = { path, start: 0, elementBytes: 4, columns: inputs, strides };
      const { address } = nativeTensor(matrix, [out, inputs]);
      return [0, half].map((first) => ({
        name: 'any',
        source: address + BigInt(first * 4),
        elements: half,
        firstIndex: first,
        dtype: 'F32' as const,
        file,
        offset: first * 4,
      }));
    });
    await pool.map('forward/store-task', storeElements, tasks);
    await pool.close();
    const bytes = readFileSync(path);
    const whole = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const expected = Float32Array.from(whole, (_, i) => {
      const [column, row, index] = [Math.floor(i / (3 * out)), Math.floor((i % (3 * out)) / 3), i % 3];
      return matrices[index]?.[row * inputs + column] ?? Number.NaN;
    });
    expect(whole).toEqual(expected);
  });
});
