/** ALiBi's tables against PyTorch's numbers. */
import { describe, expect, it } from 'vitest';
import { buildBlock } from '../../src/graph/block-scope.js';
import { describeModel } from '../../src/model/describe-model.js';

/** The table of a model's first block, by heads. */
function table(config: Record<string, unknown>, tokens: number): Float32Array[] {
  const [block] = describeModel({ vocab_size: 8, ...config }, 'config.json').blocks;
  if (!block) throw new Error('no block');
  const { graph, output } = buildBlock(block, tokens);
  graph.output('output', output);
  const data =
    graph.build().tables.find(({ value }) => value.name.startsWith('alibi'))?.data ?? new Float32Array();
  return Array.from({ length: data.length / tokens }, (_, head) =>
    data.subarray(head * tokens, (head + 1) * tokens),
  );
}

describe('the biases of ALiBi', () => {
  it('have the slopes of Press et al., also for heads that are no power of two', () => {
    const tables = table({ model_type: 'bloom', hidden_size: 24, n_head: 12, n_layer: 1 }, 4);
    const slopes = [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5].map((exponent) => 2 ** -exponent);
    for (const [head, slope] of slopes.entries()) {
      for (let position = 0; position < 4; position++) {
        expect(tables[head]?.[position]).toBeCloseTo(slope * position, 6);
      }
    }
  });

  it('are rounded to bfloat16 in Falcon, slopes, positions and products', () => {
    const config = { model_type: 'falcon', hidden_size: 48, num_attention_heads: 12, num_hidden_layers: 1 };
    const [, , , , , , , , ninth] = table({ ...config, alibi: true }, 1002);
    // torch.tensor(2 ** -0.5).bfloat16() * torch.tensor([3, 257, 300, 511, 1001]), over √4.
    const expected = [2.125, 181, 212, 362, 708].map((product) => product / 2);
    expect([3, 257, 300, 511, 1001].map((position) => ninth?.[position])).toEqual(expected);
  });
});
