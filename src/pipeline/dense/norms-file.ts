/**
 * The column norms that allocations ask for in a file: f32, one linear that shares the sparsity after the other.
 * @module
 */
import { writeFileAtomically } from '../../checkpoint/atomic-file.js';
import { readSmallFile } from '../../checkpoint/read-small-file.js';
import type { LayerPlan } from '../prepare/layer-plan.js';
import type { DenseNorms } from './allocate.js';

/** @throws RequestError or RunError naming the file when it can't be written */
export async function writeNorms(
  path: string,
  layers: readonly LayerPlan[],
  columns: DenseNorms['columns'],
): Promise<void> {
  const bytes = sharing(layers).map(({ name, linear }) => {
    const own = columns.get(name);
    if (own?.length !== linear.in) throw new Error(`${name} was not measured`);
    return new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
  });
  await writeFileAtomically(path, Buffer.concat(bytes));
}

/** @throws RequestError or RunError naming the file when it can't be read */
export function readNorms(path: string, layers: readonly LayerPlan[]): DenseNorms['columns'] {
  const wanted = sharing(layers);
  const bytes = readSmallFile(path, normsBytes(layers));
  let offset = 0;
  return new Map(
    wanted.map(({ name, linear }) => {
      const own = new Float32Array(linear.in);
      new Uint8Array(own.buffer).set(bytes.subarray(offset, offset + own.byteLength));
      offset += own.byteLength;
      return [name, own];
    }),
  );
}

/** Size of the file. */
export function normsBytes(layers: readonly LayerPlan[]): number {
  return sharing(layers).reduce((sum, { linear }) => sum + linear.in * 4, 0);
}

function sharing(layers: readonly LayerPlan[]): LayerPlan[] {
  return layers.filter(({ shares }) => shares);
}
