/**
 * q, k and v in one tensor, head by head.
 * @module
 */
import type { AttentionOptions } from './attention.js';
import type { AttentionSizes } from './attention-sizes.js';
import { ATTENTION_INPUT } from './input-groups.js';
import type { LinearPart } from './part.js';
import { rowsOf } from './placement.js';

/**
 * The three projections out of a tensor whose rows are, for each key/value head, those of its query heads, then its key, then
 * its value.
 *
 * @param name of the stored linear
 */
export function interleavedProjections(
  name: string,
  { hidden, heads, keyValueHeads, headDim }: AttentionSizes,
  bias: boolean,
): Pick<AttentionOptions, 'query' | 'key' | 'value'> {
  const queries = (heads / keyValueHeads) * headDim;
  const step = queries + 2 * headDim;
  const rows = keyValueHeads * step;
  const part = (own: string, first: number, run: number): LinearPart => ({
    name: `${name}.${own}`,
    out: keyValueHeads * run,
    in: hidden,
    inputGroup: ATTENTION_INPUT,
    bias,
    stored: {
      weight: rowsOf(`${name}.weight`, [rows, hidden], { first, count: run, step }),
      bias: rowsOf(`${name}.bias`, [rows], { first, count: run, step }),
    },
  });
  return {
    query: part('query', 0, queries),
    key: part('key', queries, headDim),
    value: part('value', queries + headDim, headDim),
  };
}
