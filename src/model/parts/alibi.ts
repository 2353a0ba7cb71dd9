/**
 * Attention with linear biases.
 * @module
 */
import type { GraphBuilder } from '../../graph/graph-builder.js';
import type { Value } from '../../graph/value.js';

/**
 * What each head subtracts per token of distance (Press et al. 2021, arXiv 2108.12409): 2^(−8·i/heads) for i = 1 … heads; where
 * heads are no power of two, those of the power below and every second one of the power above.
 */
export function alibiSlopes(heads: number): Float32Array {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slope = (of: number, exponent: number) => Math.fround(2 ** (-8 / of)) ** exponent;
  return Float32Array.from({ length: heads }, (_, head) =>
    head < power ? slope(power, head + 1) : slope(2 * power, 2 * (head - power) + 1),
  );
}

export interface AlibiProduct {
  readonly name: string;
  readonly product: (slope: number, position: number) => number;
}

/**
 * What is added to the scores of every key, [heads, tokens]: slope · position. Distances to the query differ from it by a
 * number that the softmax takes away again.
 *
 * @param product of slope and position, where it is rounded and scaled, with a name
 */
export function alibi(
  heads: number,
  { name, product }: AlibiProduct = { name: 'plain', product: (slope, position) => slope * position },
): (graph: GraphBuilder, tokens: number) => Value {
  return (graph, tokens) =>
    graph.table(`alibi_${heads}_${name}`, [heads, tokens], () => {
      const slopes = alibiSlopes(heads);
      return Float32Array.from({ length: heads * tokens }, (_, index) =>
        product(slopes[Math.floor(index / tokens)] as number, index % tokens),
      );
    });
}
