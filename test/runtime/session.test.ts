import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { add, linear } from '../../src/graph/operators/arithmetic.js';
import { compile } from '../../src/runtime/compiled-graph.js';
import { Session } from '../../src/runtime/session.js';
import { arrayTensor } from '../../src/runtime/tensor-ref.js';
import { allocateNative, float32View, freeNative } from '../../src/system/native-memory.js';

/** y = x·wᵀ + c and z = x + x, for x [3, 2] and w [4, 2]. */
function session(threads?: number): Session {
  const graph = new GraphBuilder('test');
  const x = graph.input('x', [3, 2]);
  const y = linear(graph, x, graph.input('w', [4, 2]));
  graph.output('y', add(graph, y, graph.constant('c', [4], Float32Array.of(1, 2, 3, 4))));
  graph.output('z', add(graph, x, x));
  return new Session(compile(graph.build(), threads));
}

const x = [1, 2, 3, 4, 5, 6];
const w = [1, 0, 0, 1, 1, 1, 2, -1];
const y = [2, 4, 6, 4, 4, 6, 10, 6, 6, 8, 14, 8];

describe('Session', () => {
  it.each([1, 2])('reads and writes arrays and native memory in place, with %d threads', (threads) => {
    const region = allocateNative(4096);
    float32View(region.address, 8).set(w);
    const result = new Float32Array(20);
    const own = session(threads);
    for (let i = 0; i < 100; i++) {
      result.fill(0);
      own.run(
        {
          x: arrayTensor(Float32Array.from(x), [3, 2]),
          w: { address: region.address, shape: [4, 2] },
          unknown: { address: 0n, shape: [1] },
        },
        {
          y: arrayTensor(result.subarray(4, 16), [3, 4]),
          z: { address: region.address + 1024n, shape: [3, 2] },
        },
      );
      expect([...result]).toEqual([0, 0, 0, 0, ...y, 0, 0, 0, 0]);
      expect([...float32View(region.address + 1024n, 6)]).toEqual(x.map((value) => 2 * value));
    }
    own.release();
    freeNative(region);
  });

  it('says what is missing or of another shape', () => {
    const own = session();
    const feeds = {
      x: arrayTensor(Float32Array.from(x), [3, 2]),
      w: arrayTensor(Float32Array.from(w), [4, 2]),
    };
    const outputs = {
      y: arrayTensor(new Float32Array(12), [3, 4]),
      z: arrayTensor(new Float32Array(6), [3, 2]),
    };
    expect(() => own.run({ x: feeds.x }, outputs)).toThrow('nothing is given for w');
    expect(() => own.run({ ...feeds, x: arrayTensor(Float32Array.from(x), [2, 3]) }, outputs)).toThrow(
      /onnxruntime: .*x/,
    );
    expect(() => own.run(feeds, { ...outputs, y: arrayTensor(new Float32Array(12), [4, 3]) })).toThrow(
      /onnxruntime: /,
    );
    expect(() => arrayTensor(new Float32Array(5), [2, 3])).toThrow('5 elements for shape [2, 3]');
    own.run(feeds, outputs);
    own.release();
  });

  it('says what is wrong with a model', () => {
    expect(
      () =>
        new Session({ model: new Uint8Array(new SharedArrayBuffer(3)), inputs: [], outputs: [], threads: 1 }),
    ).toThrow(/onnxruntime: /);
  });
});
