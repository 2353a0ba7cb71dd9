/**
 * Worker tasks that are the limits: bare products, copies and reads of native memory, in the same threads as the
 * parts they are compared with. (`.js`, because the worker pool adds that extension.)
 * @module
 */
import { gemm } from '../../dist/runtime/gemm.js';
import { freshKernels } from '../../dist/runtime/worker-kernels.js';
import { bytesView } from '../../dist/system/native-memory.js';

/** Stays in a core's cache. */
const READ_BYTES = 262_144;

const matrix = ({ address, rows, columns }) => ({ address, shape: [rows, columns] });

/**
 * @typedef {{address: bigint, rows: number, columns: number}} Matrix
 * @param {{a: Matrix, b: Matrix, out: Matrix, options?: object}[]} products in native memory, one after the other */
export function multiply(products) {
  for (const { a, b, out, options } of products) gemm(matrix(a), matrix(b), matrix(out), options);
}

/** Copies bytes between two places of native memory. */
export function copy({ from, to, bytes }) {
  bytesView(to, bytes).set(bytesView(from, bytes));
}

/** Reads native memory through a buffer that stays in the cache. */
export function read({ from, bytes }) {
  const kernels = freshKernels();
  const buffer = kernels.u8(kernels.arena.allocate(READ_BYTES), READ_BYTES);
  for (let start = 0; start < bytes; start += READ_BYTES) {
    buffer.set(bytesView(from + BigInt(start), Math.min(READ_BYTES, bytes - start)));
  }
}
