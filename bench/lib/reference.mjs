/**
 * The limits, run by a pool.
 * @module
 */
import { copy, multiply, read } from '../tasks/reference-task.js';

/** Beside `dist/`, where the pool looks for its tasks. */
const MODULE = '../bench/tasks/reference-task';

export const threads = ({ size }) => (size === 1 ? '1 thread' : `${size} threads`);

/** Each list of products is done by one worker. */
export const multiplyIn = (pool, lists) => pool.map(MODULE, multiply, lists);

/** Bytes of a task of copying or reading: as much as the parts' own tasks. */
const TASK_BYTES = 16_777_216;

function slices(bytes) {
  const list = [];
  for (let start = 0; start < bytes; start += TASK_BYTES) {
    list.push({ start: BigInt(start), bytes: Math.min(TASK_BYTES, bytes - start) });
  }
  return list;
}

/** Copies `bytes` from one place of native memory to another. */
export const copyIn = (pool, from, to, bytes) =>
  pool.map(
    MODULE,
    copy,
    slices(bytes).map(({ start, bytes: count }) => ({ from: from + start, to: to + start, bytes: count })),
  );

/** Reads `bytes` of native memory. */
export const readIn = (pool, from, bytes) =>
  pool.map(
    MODULE,
    read,
    slices(bytes).map(({ start, bytes: count }) => ({ from: from + start, bytes: count })),
  );

/** Cuts the rows of `out = a · op(b)` among workers. */
export function splitProduct({ a, b, out, options }, workers) {
  return Array.from({ length: workers }, (_, worker) => {
    const first = Math.floor((a.rows * worker) / workers);
    const rows = Math.floor((a.rows * (worker + 1)) / workers) - first;
    const part = (matrix) => ({
      address: matrix.address + BigInt(first * matrix.columns * 4),
      rows,
      columns: matrix.columns,
    });
    return [{ a: part(a), b, out: part(out), options }];
  });
}
