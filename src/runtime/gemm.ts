/**
 * Matrix products in native or ordinary memory, inside a worker, at the speed of onnxruntime's GEMM.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { encodeOnnx } from '../graph/encode-onnx.js';
import { GraphBuilder } from '../graph/graph-builder.js';
import { FREE } from '../graph/value.js';
import type { GraphRef } from './compiled-graph.js';
import { runGraph } from './run-graph.js';

/** A row-major matrix. */
export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

export interface GemmOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
  /** Add to what `out` holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** One product of a sum. */
export interface Product {
  readonly a: Matrix;
  readonly b: Matrix;
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
    compiled = { id: nextId--, intermediateBytes: 0, model: encodeOnnx(graph.build()), tables: {} };
    graphs.set(key, compiled);
  }
  return compiled;
}

function tensor({ data, rows, columns }: Matrix): ort.Tensor {
  return new ort.Tensor('float32', data, [rows, columns]);
}

/** out (+)= alpha · op(a) · op(b), in place. */
export async function gemm(a: Matrix, b: Matrix, out: Matrix, options: GemmOptions = {}): Promise<void> {
  await gemmSum([{ a, b }], out, options);
}

/** out (+)= Σ alpha · op(a) · op(b) in the order of the products, in place and in one run. */
export async function gemmSum(
  products: readonly Product[],
  out: Matrix,
  options: GemmOptions = {},
): Promise<void> {
  const { transposeA = false, transposeB = false, alpha = 1, accumulate = false } = options;
  const graph = gemmGraph(products.length, { transposeA, transposeB, alpha, accumulate });
  const c = tensor(out);
  const inputs: Record<string, ort.Tensor> = accumulate ? { c } : {};
  for (const [i, { a, b }] of products.entries()) {
    inputs[`a${i}`] = tensor(a);
    inputs[`b${i}`] = tensor(b);
  }
  await runGraph(graph, inputs, { out: c });
}
