/**
 * Qwen1.5-MoE and Qwen2-57B-A14B (Yang et al. 2024, arXiv 2407.10671), which have an expert for every token besides, and
 * Qwen3's mixtures of experts (Yang et al. 2025, arXiv 2505.09388).
 * @module
 */
import { z } from 'zod';
import { sigmoid } from '../../graph/operators/activation.js';
import { linear, multiply } from '../../graph/operators/arithmetic.js';
import { configExperts, configSize, MAX_LAYERS } from '../config-size.js';
import { defineFamily } from '../family.js';
import { activationNamed } from '../parts/activations.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { expertCounts, gatedExperts, routerPart } from '../parts/experts.js';
import { gatedFeedForward, gatedLinears, gatedNames } from '../parts/feed-forward.js';
import { headNorms, rmsNorms } from '../parts/norms.js';
import { optionalWindowShape, windowedBlock, windowOf } from '../parts/optional-windows.js';
import type { Part } from '../parts/part.js';
import {
  attentionKinds,
  biasesOf,
  decoderConfigShape,
  rmsNormShape,
  ropeDecoder,
} from '../parts/rope-decoder.js';
import { softmaxRouting } from '../parts/routings.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  model_type: z.string(),
  ...decoderConfigShape,
  ...rmsNormShape,
  ...optionalWindowShape,
  attention_bias: z.boolean().default(false),
  qkv_bias: z.boolean().default(true),
  decoder_sparse_step: z.int().positive().default(1),
  mlp_only_layers: z.array(z.int()).max(MAX_LAYERS).nullish(),
  moe_intermediate_size: configSize,
  shared_expert_intermediate_size: configSize.nullish(),
  /** 0 is no experts at all. */
  num_experts: configExperts.or(z.literal(0)),
  /** Of Qwen3: the name that `transformers` 5 writes, which counts where a config has both. */
  num_local_experts: configExperts.or(z.literal(0)).nullish(),
  num_experts_per_tok: configExperts,
  norm_topk_prob: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});

const SIZES = {
  vocab_size: 151_936,
  hidden_size: 2048,
  num_hidden_layers: 24,
  max_position_embeddings: 32_768,
  sliding_window: 4096,
};

export const qwenMoe = defineFamily(configSchema, {
  modelTypes: ['qwen2_moe', 'qwen3_moe'],
  defaults: {
    qwen2_moe: {
      ...SIZES,
      intermediate_size: 5632,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      moe_intermediate_size: 1408,
      shared_expert_intermediate_size: 5632,
      num_experts: 60,
      num_experts_per_tok: 4,
    },
    qwen3_moe: {
      ...SIZES,
      intermediate_size: 6144,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      moe_intermediate_size: 768,
      num_experts: 128,
      num_experts_per_tok: 8,
    },
  },
  describe(config, names) {
    const isThird = config.model_type === 'qwen3_moe';
    const sizes = attentionSizes(config);
    const { hidden, headDim } = sizes;
    const norm = rmsNorms(config.rms_norm_eps);
    const activation = activationNamed(config.hidden_act);
    const slides = windowOf(config);
    const kindOf = attentionKinds(config, (index) => index % 2 === 0 && index < config.max_window_layers);
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      ...(isThird ? headNorms(norm, sizes) : {}),
    };
    const experts = (isThird ? config.num_local_experts : undefined) ?? config.num_experts;
    const hasExperts = (index: number) =>
      experts > 0 &&
      (index + 1) % config.decoder_sparse_step === 0 &&
      !config.mlp_only_layers?.includes(index);
    const shared =
      !isThird && config.shared_expert_intermediate_size
        ? sharedExpert(hidden, config.shared_expert_intermediate_size, config.hidden_act)
        : undefined;
    return ropeDecoder({
      family: config.model_type,
      config,
      names,
      norm,
      tied: config.tie_word_embeddings,
      biases: isThird ? biasesOf(config) : { queryKeyValue: config.qkv_bias },
      blockKind(index) {
        // Qwen3's mixtures have one window for all blocks.
        const isWindowed = isThird || kindOf(index) === 'sliding_attention';
        return windowedBlock(attention, isWindowed ? slides : undefined);
      },
      experts(index, prefix) {
        if (!hasExperts(index)) return undefined;
        const { count, perToken } = expertCounts(
          experts,
          config.num_experts_per_tok,
          config.num_hidden_layers,
        );
        return {
          router: routerPart({
            weight: 'mlp.gate.weight',
            experts: count,
            hidden,
            routing: softmaxRouting(perToken, config.norm_topk_prob),
            shared,
          }),
          experts: gatedExperts({
            prefix,
            graphKey: `${config.model_type} expert`,
            count,
            perToken,
            hidden,
            intermediate: config.moe_intermediate_size,
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

/** sigmoid(gate(x)) · network(x); the gate has one output and isn't pruned. */
function sharedExpert(hidden: number, intermediate: number, activation: string): Part {
  const linears = gatedLinears(gatedNames('mlp.shared_expert'), { hidden, intermediate });
  const network = gatedFeedForward(linears, activationNamed(activation));
  const gate = 'mlp.shared_expert_gate.weight';
  return {
    ...network,
    tensors: [...network.tensors, { name: gate, shape: [1, hidden] }],
    apply(scope, x) {
      const share = sigmoid(scope.graph, linear(scope.graph, x, scope.weight(gate)));
      return multiply(scope.graph, network.apply(scope, x), share);
    },
  };
}
