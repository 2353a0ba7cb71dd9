/**
 * Matrix products in native or ordinary memory, inside a worker, at the speed of onnxruntime's GEMM.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { encodeOnnx } from '../graph/encode-onnx.js';
import { GraphBuilder } from '../graph/graph-builder.js';
import { FREE } from '../graph/value.js';
import type { GraphRef } from './compiled-graph.js';
import { NO_STORE, runGraph } from './run-graph.js';

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

const graphs = new Map<string, GraphRef>();
let nextId = -1;

function gemmGraph(options: Required<GemmOptions>): GraphRef {
  const key = JSON.stringify(options);
  let compiled = graphs.get(key);
  if (!compiled) {
    const graph = new GraphBuilder('gemm');
    const free = [FREE, FREE];
    const inputs = [graph.input('a', free), graph.input('b', free)];
    if (options.accumulate) inputs.push(graph.input('c', free));
    const product = graph.node('Gemm', inputs, free, {
      transA: { kind: 'int', value: options.transposeA ? 1 : 0 },
      transB: { kind: 'int', value: options.transposeB ? 1 : 0 },
      alpha: { kind: 'float', value: options.alpha },
    });
    graph.output('out', product);
    // Negative ids never meet those of a GraphStore, which live in the main thread.
    compiled = { id: nextId--, store: NO_STORE, model: encodeOnnx(graph.build()), tables: {} };
    graphs.set(key, compiled);
  }
  return compiled;
}

function tensor({ data, rows, columns }: Matrix): ort.Tensor {
  return new ort.Tensor('float32', data, [rows, columns]);
}

/** out (+)= alpha · op(a) · op(b), in place. */
export async function gemm(a: Matrix, b: Matrix, out: Matrix, options: GemmOptions = {}): Promise<void> {
  const { transposeA = false, transposeB = false, alpha = 1, accumulate = false } = options;
  const graph = gemmGraph({ transposeA, transposeB, alpha, accumulate });
  const c = tensor(out);
  await runGraph(graph, { a: tensor(a), b: tensor(b), ...(accumulate ? { c } : {}) }, { out: c });
}
