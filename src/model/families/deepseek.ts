/**
 * DeepSeek-V2 (DeepSeek-AI 2024, arXiv 2405.04434), DeepSeek-V3 (arXiv 2412.19437) and R1 (arXiv 2501.12948): attention through
 * latents, and many small experts beside some that every token goes through.
 * @module
 */
import { z } from 'zod';
import { shortened } from '../../checkpoint/strict-json.js';
import { ConfigError } from '../config-error.js';
import { configExperts, configHeadSize, configSize } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { expertCounts, gatedExperts, type Routing, routerPart } from '../parts/experts.js';
import { gatedFeedForward, gatedLinears, gatedNames } from '../parts/feed-forward.js';
import { ATTENTION_INPUT, ATTENTION_OUTPUT } from '../parts/input-groups.js';
import { latentAttentionPart, type Projection } from '../parts/latent-attention.js';
import { rmsNorms } from '../parts/norms.js';
import type { LinearPart, Part } from '../parts/part.js';
import { decoderConfigShape, rmsNormShape, ropeDecoder } from '../parts/rope-decoder.js';
import {
  type ExpertGroups,
  expertGroups,
  groupedSoftmaxRouting,
  sigmoidRouting,
  softmaxRouting,
} from '../parts/routings.js';
import { ropeScaling, rotaryEmbedding, yarnScale } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  ...rmsNormShape,
  kv_lora_rank: configSize.default(512),
  /** `null` is a projection without a latent. */
  q_lora_rank: configSize.nullable().default(1536),
  qk_nope_head_dim: configHeadSize.default(128),
  qk_rope_head_dim: configHeadSize.default(64),
  v_head_dim: configHeadSize.default(128),
  /** Of DeepSeek-V3. */
  rope_interleave: z.boolean().default(true),
  attention_bias: z.boolean().default(false),
  /** Of DeepSeek-V2. */
  mlp_bias: z.boolean().default(false),
  n_routed_experts: configExperts,
  n_shared_experts: configExperts,
  num_experts_per_tok: configExperts,
  moe_intermediate_size: configSize,
  first_k_dense_replace: z.int().nonnegative(),
  n_group: configSize.nullish(),
  topk_group: configSize.nullish(),
  /** Of DeepSeek-V2. */
  topk_method: z.string().default('greedy'),
  /** Of DeepSeek-V3; DeepSeek-V2 divides by no sum. */
  norm_topk_prob: z.boolean().default(true),
  routed_scaling_factor: z.number().positive(),
  tie_word_embeddings: z.boolean().default(false),
});

/** By `model_type`. */
const DEFAULTS = {
  deepseek_v2: {
    vocab_size: 102_400,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    n_routed_experts: 64,
    n_shared_experts: 2,
    moe_intermediate_size: 1407,
    first_k_dense_replace: 0,
    norm_topk_prob: false,
    routed_scaling_factor: 1,
  },
  deepseek_v3: {
    vocab_size: 129_280,
    hidden_size: 7168,
    intermediate_size: 18_432,
    num_hidden_layers: 61,
    num_attention_heads: 128,
    num_key_value_heads: 128,
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    moe_intermediate_size: 2048,
    first_k_dense_replace: 3,
    routed_scaling_factor: 2.5,
    n_group: 8,
    topk_group: 4,
    max_position_embeddings: 4096,
  },
};

type DeepseekConfig = z.infer<typeof configSchema>;

/** Of the normalisations of latents; no config has it. */
const LATENT_EPSILON = 1e-6;

const CORRECTION = 'mlp.gate.e_score_correction_bias';

export const deepseek = defineFamily(configSchema, {
  modelTypes: ['deepseek_v2', 'deepseek_v3'],
  defaults: DEFAULTS,
  describe(config, names) {
    const { hidden_size: hidden, moe_intermediate_size: intermediate } = config;
    const isThird = config.model_type === 'deepseek_v3';
    const activation = activationNamed(config.hidden_act);
    const feedForwardBias = !isThird && config.mlp_bias;
    const attention = { part: latentAttention(config) };
    const counts = expertCounts(
      config.n_routed_experts,
      config.num_experts_per_tok,
      config.num_hidden_layers,
    );
    const shared = gatedLinears(gatedNames('mlp.shared_experts'), {
      hidden,
      intermediate: config.n_shared_experts * intermediate,
      bias: feedForwardBias,
    });
    const router = routerPart({
      weight: 'mlp.gate.weight',
      experts: counts.count,
      hidden,
      routing: isThird ? thirdRouting(config, counts) : secondRouting(config, counts),
      routingTensors: isThird ? [{ name: CORRECTION, shape: [counts.count] }] : [],
      shared: gatedFeedForward(shared, activation),
    });
    return ropeDecoder({
      family: config.model_type,
      // What transformers makes the head size of DeepSeek-V3; latents have sizes of their own.
      config: isThird ? { ...config, head_dim: config.qk_rope_head_dim } : config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: { feedForward: feedForwardBias },
      blockKind: () => ({ name: 'block', attention }),
      experts(index, prefix) {
        if (index < config.first_k_dense_replace) return undefined;
        return {
          router,
          experts: gatedExperts({
            prefix,
            graphKey: `${config.model_type} expert`,
            ...counts,
            hidden,
            intermediate,
            activation,
            names,
            list: 'mlp.experts',
            linears: gatedNames(),
          }),
        };
      },
    });
  },
});

interface Counts {
  readonly count: number;
  readonly perToken: number;
}

function secondRouting(config: DeepseekConfig, counts: Counts): Routing {
  const { topk_method: method, routed_scaling_factor: factor } = config;
  const { perToken } = counts;
  if (method === 'greedy') return softmaxRouting(perToken, false, factor);
  if (method === 'group_limited_greedy') {
    return groupedSoftmaxRouting(perToken, groupsOf(config, counts), factor);
  }
  throw new ConfigError(
    `topk_method ${shortened(method)} is not supported; supported: greedy, group_limited_greedy`,
  );
}

function thirdRouting(config: DeepseekConfig, counts: Counts): Routing {
  return sigmoidRouting({
    perToken: counts.perToken,
    groups: groupsOf(config, counts),
    normalised: config.norm_topk_prob,
    factor: config.routed_scaling_factor,
    correction: CORRECTION,
  });
}

function groupsOf({ n_group: groups, topk_group: chosen }: DeepseekConfig, counts: Counts): ExpertGroups {
  return expertGroups({ count: groups ?? 1, perToken: chosen ?? groups ?? 1 }, counts);
}

function latentAttention(config: DeepseekConfig): Part {
  const { hidden_size: hidden, num_attention_heads: heads, attention_bias: bias } = config;
  const { kv_lora_rank: latent, v_head_dim: value } = config;
  const { qk_nope_head_dim: plain, qk_rope_head_dim: rotated } = config;
  const norm = rmsNorms(LATENT_EPSILON);
  const headSize = plain + rotated;
  const linear = (
    name: string,
    out: number,
    columns: number,
    inputGroup: string,
    hasBias = false,
  ): LinearPart => ({
    name: `self_attn.${name}`,
    out,
    in: columns,
    inputGroup,
    bias: hasBias,
  });
  const queryProjection = (rank: number | null): Projection =>
    rank === null
      ? { whole: linear('q_proj', heads * headSize, hidden, ATTENTION_INPUT) }
      : {
          down: linear('q_a_proj', rank, hidden, ATTENTION_INPUT, bias),
          norm: norm('self_attn.q_a_layernorm', rank),
          up: linear('q_b_proj', heads * headSize, rank, 'query latent'),
        };
  return latentAttentionPart({
    query: queryProjection(config.q_lora_rank),
    keyValueDown: linear('kv_a_proj_with_mqa', latent + rotated, hidden, ATTENTION_INPUT, bias),
    keyValueNorm: norm('self_attn.kv_a_layernorm', latent),
    keyValueUp: linear('kv_b_proj', heads * (plain + value), latent, 'key value latent'),
    output: linear('o_proj', hidden, heads * value, ATTENTION_OUTPUT, bias),
    heads,
    sizes: { plain, rotated, value },
    scale: attentionScale(config) / Math.sqrt(headSize),
    rotary: rotaryEmbedding(config, {
      headDim: rotated,
      interleaved: config.model_type === 'deepseek_v2' || config.rope_interleave,
    }),
  });
}

/** The square of YaRN's length of q and of k that `mscale_all_dim` asks for. */
function attentionScale(config: DeepseekConfig): number {
  const { rope_type, type = 'default', mscale_all_dim: all, factor } = ropeScaling(config);
  return (rope_type ?? type) === 'default' || !all || !factor ? 1 : yarnScale(factor, all) ** 2;
}
