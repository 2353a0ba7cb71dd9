/**
 * Matrix products in native or ordinary memory, inside a worker, at the speed of onnxruntime's GEMM.
 * @module
 */
import { GraphBuilder } from '../graph/graph-builder.js';
import { FREE } from '../graph/value.js';
import { compile, type GraphRef } from './compiled-graph.js';
import { runGraph } from './run-graph.js';
import type { TensorRef } from './tensor-ref.js';

export interface GemmOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  /** Add to what `out` holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** One product of a sum. */
export interface Product {
  readonly a: TensorRef;
  readonly b: TensorRef;
}

const graphs = new Map<string, GraphRef>();
let nextId = -1;

/** A chain of `count` products, each added to the one before. */
function gemmGraph(count: number, options: Required<GemmOptions>): GraphRef {
  const key = JSON.stringify([count, options]);
  let compiled = graphs.get(key);
  if (!compiled) {
    const graph = new GraphBuilder('gemm');
    const free = [FREE, FREE];
    let sum = options.accumulate ? graph.input('c', free) : undefined;
    for (let i = 0; i < count; i++) {
      const inputs = [graph.input(`a${i}`, free), graph.input(`b${i}`, free)];
      sum = graph.node('Gemm', sum ? [...inputs, sum] : inputs, free, {
        transA: { kind: 'int', value: options.transposeA ? 1 : 0 },
        transB: { kind: 'int', value: options.transposeB ? 1 : 0 },
        alpha: { kind: 'float', value: options.alpha },
      });
    }
    if (!sum) throw new Error('a sum of no products');
    graph.output('out', sum);
    // Negative ids never meet those of a GraphStore, which live in the main thread.
    // Their sizes are free, so what they need can't be told; with only products on the way it is little.
    compiled = { ...compile(graph.build()), id: nextId--, intermediateBytes: 0, tables: {} };
    graphs.set(key, compiled);
  }
  return compiled;
}

/** out (+)= alpha · op(a) · op(b), in place, for matrices of f32. */
export function gemm(a: TensorRef, b: TensorRef, out: TensorRef, options: GemmOptions = {}): void {
  gemmSum([{ a, b }], out, options);
}

/** out (+)= Σ alpha · op(a) · op(b) in the order of the products, in place and in one run. */
export function gemmSum(products: readonly Product[], out: TensorRef, options: GemmOptions = {}): void {
  const { transposeA = false, transposeB = false, alpha = 1, accumulate = false } = options;
  const graph = gemmGraph(products.length, { transposeA, transposeB, alpha, accumulate });
  const inputs: Record<string, TensorRef> = accumulate ? { c: out } : {};
  for (const [i, { a, b }] of products.entries()) {
    inputs[`a${i}`] = a;
    inputs[`b${i}`] = b;
  }
  runGraph(graph, inputs, { out });
}
