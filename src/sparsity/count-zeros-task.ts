/**
 * Worker task: zeros and pattern of a stored tensor.
 * @module
 */
import { rowsWithin } from '../runtime/parts.js';
import { elementsAtOnce, type TensorFile } from '../runtime/tensor-file.js';
import { sourceFile } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';

export interface CountArguments {
  readonly file: TensorFile;
  readonly offset: number;
  /** Bytes of an element: 2 for bf16 and f16, 4 for f32. */
  readonly elementBytes: 2 | 4;
  readonly rows: number;
  readonly columns: number;
  /** Count the groups of `of` consecutive columns that keep more than `keep`. */
  readonly group?: { readonly keep: number; readonly of: number } | undefined;
}

export interface ZeroCount {
  readonly zeros: number;
  /** 0 when no group was asked for. */
  readonly violations: number;
}

/** Elements read at a time; whole rows, at least one. */
const CHUNK_ELEMENTS = 131_072;

export function countStoredZeros(args: CountArguments): ZeroCount {
  const { file, offset, elementBytes, rows, columns, group } = args;
  const kernels = freshKernels();
  const source = sourceFile(file);
  const step = rowsWithin(elementsAtOnce(file, CHUNK_ELEMENTS), columns);
  const place = kernels.arena.allocate(Math.min(step, rows) * columns * elementBytes);
  let zeros = 0;
  let violations = 0;
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const elements = count * columns;
    source.readInto(offset + first * columns * elementBytes, kernels.u8(place, elements * elementBytes));
    zeros +=
      elementBytes === 2 ? kernels.countZeros16(place, elements) : kernels.countZeros32(place, elements);
    if (!group) continue;
    violations +=
      elementBytes === 2
        ? kernels.countGroupViolations16(place, count, columns, group.keep, group.of)
        : kernels.countGroupViolations32(place, count, columns, group.keep, group.of);
  }
  return { zeros, violations };
}
