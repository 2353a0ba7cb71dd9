/**
 * The arithmetic of graphs.
 * @module
 */
import { type BlockPass, type BlockPasses, passRanges } from './block-passes.js';
import type { Graph } from './graph-builder.js';
import { elementCount } from './value.js';

/** Floating-point operations of a graph's matrix products, a multiply and an add being two. */
export function graphFlops({ nodes }: Graph): number {
  let flops = 0;
  for (const { operator, inputs, outputs, attributes } of nodes) {
    const [{ shape: left } = { shape: [] }] = inputs;
    const [{ shape: result } = { shape: [] }] = outputs;
    const inner = attributes.transA?.value === 1 ? left[0] : left.at(-1);
    if (operator === 'Gemm' || operator === 'MatMul') flops += 2 * elementCount(result) * (inner ?? 0);
  }
  return flops;
}

/** `graphFlops` of a window's way through some passes of a block. */
export function passFlops(planned: BlockPasses, passes: readonly BlockPass[]): number {
  return passes
    .flatMap((pass) => passRanges(planned, pass))
    .reduce((sum, range) => sum + graphFlops(range.graph('sum of squares')), 0);
}
