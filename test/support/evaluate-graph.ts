/** Runs graphs in the test's own thread. @module */
import type { Graph } from '../../src/graph/graph-builder.js';
import { elementCount } from '../../src/graph/value.js';
import { compile } from '../../src/runtime/compiled-graph.js';
import { Session } from '../../src/runtime/session.js';
import { arrayTensor } from '../../src/runtime/tensor-ref.js';

export type Arrays = Readonly<Record<string, Float32Array | BigInt64Array>>;

/** What the graph computes, by the names of its outputs. The session lasts as long as the process. */
export function evaluator(graph: Graph): (inputs: Arrays) => Record<string, Float32Array> {
  const session = new Session(compile(graph));
  const tables = graph.tables.map(({ value, data }) => [value.name, data] as const);
  return (inputs) => {
    const data: Arrays = { ...Object.fromEntries(tables), ...inputs };
    const feeds = graph.inputs.map(({ name, shape }) => {
      const array = data[name];
      if (!array) throw new Error(`nothing is given for ${name}`);
      return [name, arrayTensor(array, shape)] as const;
    });
    const results = graph.outputs.map(
      ({ name, shape }) => [name, new Float32Array(elementCount(shape)), shape] as const,
    );
    const outputs = results.map(([name, array, shape]) => [name, arrayTensor(array, shape)] as const);
    session.run(Object.fromEntries(feeds), Object.fromEntries(outputs));
    return Object.fromEntries(results);
  };
}
