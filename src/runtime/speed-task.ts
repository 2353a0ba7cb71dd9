/**
 * Worker task: how fast this machine multiplies matrices.
 * @module
 */
import { gemm } from './gemm.js';
import { arrayTensor } from './tensor-ref.js';

/** Big enough to be out of the caches that flatter, small enough to take a few milliseconds. */
const SIZE = 512;
/** Enough for one of them to have a core to itself while others use the machine. */
const REPETITIONS = 20;

/** f32 operations per second of one thread: the best of a few products. */
export function measureSpeed(_: null): number {
  const matrix = () => arrayTensor(new Float32Array(SIZE * SIZE).fill(0.5), [SIZE, SIZE]);
  const [a, b, out] = [matrix(), matrix(), matrix()];
  let best = 0;
  for (let i = 0; i < REPETITIONS; i++) {
    const started = performance.now();
    gemm(a, b, out, { transposeB: true });
    best = Math.max(best, (2 * SIZE ** 3) / ((performance.now() - started) / 1000));
  }
  return best;
}
