import * as ort from 'onnxruntime-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { encodeOnnx } from '../../src/graph/encode-onnx.js';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { add } from '../../src/graph/operators/arithmetic.js';
import type { GraphRef } from '../../src/runtime/compiled-graph.js';
import { KEPT_BYTES, keptBytes } from '../../src/runtime/kept-sessions.js';
import { runGraph } from '../../src/runtime/run-graph.js';

let nextId = 1000;

/** Doubles its input, and says that it keeps so many bytes. */
function doubling(intermediateBytes: number): GraphRef {
  const graph = new GraphBuilder('doubling');
  const x = graph.input('x', [2]);
  graph.output('y', add(graph, x, x));
  return { id: nextId++, intermediateBytes, model: encodeOnnx(graph.build()), tables: {} };
}

async function run(graph: GraphRef): Promise<void> {
  const y = new Float32Array(2);
  const tensor = (data: Float32Array) => new ort.Tensor('float32', data, [2]);
  await runGraph(graph, { x: tensor(Float32Array.of(1, 2)) }, { y: tensor(y) });
  expect([...y]).toEqual([2, 4]);
}

afterEach(() => void vi.restoreAllMocks());

describe('sessions of a worker', () => {
  it('are kept while there is room, and go by their last use', async () => {
    const create = vi.spyOn(ort.InferenceSession, 'create');
    const [a, b, c] = [1, 2, 3].map(() => doubling(KEPT_BYTES * 0.4)) as [GraphRef, GraphRef, GraphRef];
    const free = doubling(0);
    for (const graph of [free, a, b, a, b, free]) await run(graph);
    expect(create).toHaveBeenCalledTimes(3);
    await run(a);
    await run(c); // in the place of b
    await run(a);
    expect(create).toHaveBeenCalledTimes(4);
    await run(b);
    await run(free);
    expect(create).toHaveBeenCalledTimes(5);
  });

  it('leave all room to one that needs more than may be kept', async () => {
    const create = vi.spyOn(ort.InferenceSession, 'create');
    const [small, large, free] = [doubling(1), doubling(KEPT_BYTES * 3), doubling(0)];
    for (const graph of [free, small, large, large]) await run(graph);
    expect(create).toHaveBeenCalledTimes(3);
    await run(small);
    await run(free);
    expect(create).toHaveBeenCalledTimes(4);
    await run(large);
    expect(create).toHaveBeenCalledTimes(5);
  });

  it('keep what is predicted', () => {
    expect(keptBytes([])).toBe(0);
    expect(keptBytes([1e6, 2e6])).toBe(3e6);
    expect(keptBytes([KEPT_BYTES, 1e6])).toBe(KEPT_BYTES);
    expect(keptBytes([1e6, KEPT_BYTES * 2, 1e6])).toBe(KEPT_BYTES * 2);
  });
});
