/**
 * The thread's instance of the WebAssembly kernels.
 * @module
 */
import { type Kernels, loadKernels } from './kernels.js';

let instance: Kernels | undefined;

/** The kernels with an empty arena; what earlier tasks put into their memory is gone. */
export function freshKernels(): Kernels {
  instance ??= loadKernels();
  instance.arena.reset();
  return instance;
}
