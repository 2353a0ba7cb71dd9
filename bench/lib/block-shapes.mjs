/**
 * Blocks of real models' shapes, with random weights and the bare products of their forward.
 * @module
 */
import { describeModel } from '../../dist/model/describe-model.js';
import { float32View } from '../../dist/system/native-memory.js';

const llama = {
  model_type: 'llama',
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  num_hidden_layers: 1,
  vocab_size: 2048,
  tie_word_embeddings: true,
};

export const SHAPES = {
  'SmolLM2-135M': {
    ...llama,
    hidden_size: 576,
    intermediate_size: 1536,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
  },
  'Llama-2-7B': {
    ...llama,
    hidden_size: 4096,
    intermediate_size: 11008,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    max_position_embeddings: 4096,
  },
};

/** @returns the model of one block, and what its attention is made of */
export function shapedModel(name) {
  const config = SHAPES[name];
  const heads = config.num_attention_heads;
  return { model: describeModel(config, name), heads, headSize: config.hidden_size / heads };
}

/** Matrices random, norms 1; by their names within the block, as graphs take them. */
export function randomWeights(block, matrices) {
  return Object.fromEntries(
    block.tensors.map(({ name, shape }) => {
      const [rows, columns = 1] = shape;
      const { address } = matrices.random(rows, columns);
      if (shape.length === 1) float32View(address, rows).fill(1);
      return [name, { address, shape }];
    }),
  );
}

/**
 * The products of one window's forward, as bare as they can be: each linear, and in attention each head's queries
 * against half of the keys and its weights against half of the values, which is what causal attention needs.
 *
 * @param {ReturnType<typeof shapedModel>} shape
 * @param {Record<string, {address: bigint, shape: number[]}>} weights
 * @param {number} tokens
 * @param {import('./native-matrices.mjs').NativeMatrices} matrices
 * @returns {() => object[]} a list of products with memory of its own for activations
 */
export function forwardProducts({ model, heads, headSize }, weights, tokens, matrices) {
  const [block] = model.blocks;
  const widest = Math.max(...block.linears.map((linear) => Math.max(linear.in, linear.out)));
  const half = Math.ceil(tokens / 2);
  return () => {
    const activations = matrices.random(tokens, widest);
    const sink = matrices.sink(tokens * Math.max(widest, half));
    const activation = (rows, columns) => ({ address: activations.address, rows, columns });
    const linears = block.linears.map((linear) => ({
      a: activation(tokens, linear.in),
      b: { address: weights[`${linear.name}.weight`].address, rows: linear.out, columns: linear.in },
      out: sink(tokens, linear.out),
      options: { transposeB: true },
    }));
    const attention = Array.from({ length: heads }, () => [
      {
        a: activation(tokens, headSize),
        b: activation(half, headSize),
        out: sink(tokens, half),
        options: { transposeB: true },
      },
      { a: activation(tokens, half), b: activation(half, headSize), out: sink(tokens, headSize) },
    ]).flat();
    return [...linears, ...attention];
  };
}
