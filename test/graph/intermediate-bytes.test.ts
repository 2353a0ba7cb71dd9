/** What is alive at the same time while a graph runs, against lists made by hand. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { peakIntermediateBytes } from '../../src/graph/intermediate-bytes.js';
import { add, linear, multiply } from '../../src/graph/operators/arithmetic.js';
import { softmax } from '../../src/graph/operators/normalization.js';
import { reshape } from '../../src/graph/operators/shape.js';

const tokens = 10;

function graphOf(build: (graph: GraphBuilder) => void) {
  const graph = new GraphBuilder('test');
  build(graph);
  return graph.build();
}

describe('peakIntermediateBytes', () => {
  it('counts neither what is given nor what is asked for', () => {
    const graph = graphOf((g) => {
      g.output('y', linear(g, g.input('x', [tokens, 8]), g.input('w', [4, 8])));
    });
    expect(peakIntermediateBytes(graph)).toBe(0);
  });

  it('counts a value until it is read for the last time', () => {
    const graph = graphOf((g) => {
      const a = linear(g, g.input('x', [tokens, 8]), g.input('v', [100, 8]));
      const b = linear(g, a, g.input('w', [30, 100]));
      const c = linear(g, b, g.input('u', [50, 30]));
      g.output('y', linear(g, c, g.input('t', [2, 50])));
    });
    // a and b, then b and c.
    expect(peakIntermediateBytes(graph)).toBe(tokens * (100 + 30) * 4);
  });

  it('keeps what is read again later', () => {
    const graph = graphOf((g) => {
      const a = linear(g, g.input('x', [tokens, 8]), g.input('v', [100, 8]));
      const b = linear(g, a, g.input('w', [30, 100]));
      const c = linear(g, b, g.input('u', [100, 30]));
      g.output('y', linear(g, add(g, c, a), g.input('t', [2, 100])));
    });
    // a, b and c; the sum lies where c was.
    expect(peakIntermediateBytes(graph)).toBe(tokens * (100 + 30 + 100) * 4);
  });

  it('takes no memory for other shapes, nor for results in place of what they are made from', () => {
    const graph = graphOf((g) => {
      const a = linear(g, g.input('x', [tokens, 8]), g.input('v', [100, 8]));
      const scaled = multiply(g, a, g.input('s', [100]));
      const shaped = reshape(g, softmax(g, scaled), [tokens * 10, 10]);
      g.output('y', linear(g, shaped, g.input('w', [3, 10])));
    });
    expect(peakIntermediateBytes(graph)).toBe(tokens * 100 * 4);
  });
});
