/**
 * The thread's instance of the WebAssembly kernels.
 * @module
 */
import { type Kernels, loadKernels } from './kernels.js';

let loading: Promise<Kernels> | undefined;

/** The kernels with an empty arena; what earlier tasks put into their memory is gone. */
export async function freshKernels(): Promise<Kernels> {
  loading ??= loadKernels();
  const kernels = await loading;
  kernels.arena.reset();
  return kernels;
}
