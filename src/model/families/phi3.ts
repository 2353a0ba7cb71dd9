/**
 * Phi-3, Phi-3.5 and Phi-4 (Abdin et al. 2024, arXiv 2404.14219 and 2412.08905): Llama's blocks with q, k and v in one tensor,
 * and gate and up in another.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import type { AttentionOptions } from '../parts/attention.js';
import { type AttentionSizes, attentionSizes } from '../parts/attention-sizes.js';
import { gatedFeedForward, gatedLinears, gatedNames } from '../parts/feed-forward.js';
import { rmsNorms } from '../parts/norms.js';
import type { LinearPart } from '../parts/part.js';
import { rowsOf } from '../parts/placement.js';
import { decoderConfigShape, ropeDecoder } from '../parts/rope-decoder.js';
import { separateProjections } from '../parts/separate-projections.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  rms_norm_eps: z.number().positive().default(1e-5),
  sliding_window: configSize.nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

type Phi3Config = z.infer<typeof configSchema>;

const DEFAULTS = {
  vocab_size: 32_064,
  hidden_size: 3072,
  intermediate_size: 8192,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  max_position_embeddings: 4096,
  original_max_position_embeddings: 4096,
};

export const phi3 = defineFamily(configSchema, {
  modelTypes: ['phi3'],
  defaults: { phi3: DEFAULTS },
  describe(parsed, names) {
    const config = withLongRope(parsed);
    const sizes = attentionSizes(config);
    const attention = {
      rotary: rotaryEmbedding(config, { headDim: sizes.headDim, isPartial: true }),
      window: config.sliding_window ?? undefined,
    };
    return ropeDecoder({
      family: 'phi3',
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      blockKind: () => ({ name: 'block', attention }),
      projections: fusedProjections(sizes),
      feedForward: fusedFeedForward(config),
    });
  },
});

/** Early configs call their RoPE `yarn` or `su`; it was LongRoPE all along. */
function withLongRope(config: Phi3Config): Phi3Config {
  const scaling = config.rope_scaling;
  const type = scaling?.rope_type ?? scaling?.type;
  return type === 'yarn' ? { ...config, rope_scaling: { ...scaling, rope_type: 'longrope' } } : config;
}

/** Linears that lie in one tensor, one after the other. */
function fused(
  tensor: string,
  parts: readonly { readonly name: string; readonly linear: LinearPart }[],
): LinearPart[] {
  const rows = parts.reduce((sum, { linear }) => sum + linear.out, 0);
  let first = 0;
  return parts.map(({ name, linear }) => {
    const weight = rowsOf(`${tensor}.weight`, [rows, linear.in], { first, count: linear.out });
    first += linear.out;
    return { ...linear, name: `${tensor}.${name}`, stored: { weight } };
  });
}

function fusedProjections(
  sizes: AttentionSizes,
): Pick<AttentionOptions, 'query' | 'key' | 'value' | 'output'> {
  const separate = separateProjections(sizes, {});
  const [query, key, value] = fused('self_attn.qkv_proj', [
    { name: 'q', linear: separate.query },
    { name: 'k', linear: separate.key },
    { name: 'v', linear: separate.value },
  ]) as [LinearPart, LinearPart, LinearPart];
  return { query, key, value, output: separate.output };
}

function fusedFeedForward({ hidden_size: hidden, intermediate_size, hidden_act }: Phi3Config) {
  const separate = gatedLinears(gatedNames('mlp'), { hidden, intermediate: intermediate_size });
  const [gate, up] = fused('mlp.gate_up_proj', [
    { name: 'gate', linear: separate.gate },
    { name: 'up', linear: separate.up },
  ]) as [LinearPart, LinearPart];
  return gatedFeedForward({ gate, up, down: separate.down }, activationNamed(hidden_act));
}
