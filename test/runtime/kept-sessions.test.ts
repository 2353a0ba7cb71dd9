import { afterEach, describe, expect, it, vi } from 'vitest';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { add } from '../../src/graph/operators/arithmetic.js';
import { compile, type GraphRef } from '../../src/runtime/compiled-graph.js';
import { KEPT_BYTES, keptBytes } from '../../src/runtime/kept-sessions.js';
import { onnxRuntime } from '../../src/runtime/onnxruntime.js';
import { runGraph } from '../../src/runtime/run-graph.js';
import { arrayTensor } from '../../src/runtime/tensor-ref.js';

let nextId = 1000;

/** Doubles its input, and says that it keeps so many bytes. */
function doubling(intermediateBytes: number): GraphRef {
  const graph = new GraphBuilder('doubling');
  const x = graph.input('x', [2]);
  graph.output('y', add(graph, x, x));
  return { ...compile(graph.build()), id: nextId++, intermediateBytes, tables: {} };
}

function run(graph: GraphRef): void {
  const y = new Float32Array(2);
  runGraph(graph, { x: arrayTensor(Float32Array.of(1, 2), [2]) }, { y: arrayTensor(y, [2]) });
  expect([...y]).toEqual([2, 4]);
}

/** How many sessions have been made. */
function countSessions() {
  const create = vi.spyOn(onnxRuntime(), 'create');
  return () => create.mock.calls.filter(([name]) => name === 'createSessionFromArray').length;
}

afterEach(() => void vi.restoreAllMocks());

describe('sessions of a worker', () => {
  it('are kept while there is room, and go by their last use', () => {
    const made = countSessions();
    const [a, b, c] = [1, 2, 3].map(() => doubling(KEPT_BYTES * 0.4)) as [GraphRef, GraphRef, GraphRef];
    const free = doubling(0);
    for (const graph of [free, a, b, a, b, free]) run(graph);
    expect(made()).toBe(3);
    run(a);
    run(c); // in the place of b
    run(a);
    expect(made()).toBe(4);
    run(b);
    run(free);
    expect(made()).toBe(5);
  });

  it('leave all room to one that needs more than may be kept', () => {
    const made = countSessions();
    const [small, large, free] = [doubling(1), doubling(KEPT_BYTES * 3), doubling(0)];
    for (const graph of [free, small, large, large]) run(graph);
    expect(made()).toBe(3);
    run(small);
    run(free);
    expect(made()).toBe(4);
    run(large);
    expect(made()).toBe(5);
  });

  it('keep what is predicted', () => {
    expect(keptBytes([])).toBe(0);
    expect(keptBytes([1e6, 2e6])).toBe(3e6);
    expect(keptBytes([KEPT_BYTES, 1e6])).toBe(KEPT_BYTES);
    expect(keptBytes([1e6, KEPT_BYTES * 2, 1e6])).toBe(KEPT_BYTES * 2);
  });
});
