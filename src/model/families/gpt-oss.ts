/**
 * gpt-oss (OpenAI 2025, arXiv 2508.10925): heads with sinks, every other block with a window, and experts with biases whose
 * weights lie input by input in tensors of three axes.
 * @module
 */
import { z } from 'zod';
import type { GraphBuilder } from '../../graph/graph-builder.js';
import { geluSigmoid } from '../../graph/operators/activation.js';
import { add, clamp, multiply, sign } from '../../graph/operators/arithmetic.js';
import type { Value } from '../../graph/value.js';
import { configExperts, configHeadSize, configSize } from '../config-size.js';
import type { Placement } from '../description.js';
import { defineFamily } from '../family.js';
import { attentionSizes } from '../parts/attention-sizes.js';
import { type ExpertNetwork, expertCounts, expertLinears, expertList, routerPart } from '../parts/experts.js';
import { feedForwardWith, type GatedLinears, gatedNames } from '../parts/feed-forward.js';
import { rmsNorms } from '../parts/norms.js';
import { linearDescriptions, linearTensors } from '../parts/part.js';
import {
  attentionKinds,
  biasesOf,
  decoderConfigShape,
  layerTypesShape,
  ropeDecoder,
} from '../parts/rope-decoder.js';
import { topSoftmaxRouting } from '../parts/routings.js';
import { rotaryEmbedding } from '../rotary-embedding.js';

const configSchema = z.looseObject({
  ...decoderConfigShape,
  ...layerTypesShape,
  rms_norm_eps: z.number().positive().default(1e-5),
  head_dim: configHeadSize.default(64),
  sliding_window: configSize.nullable().default(128),
  attention_bias: z.boolean().default(true),
  num_local_experts: configExperts.default(128),
  num_experts_per_tok: configExperts.default(4),
  tie_word_embeddings: z.boolean().default(false),
});

type GptOssConfig = z.infer<typeof configSchema>;

const DEFAULTS = {
  vocab_size: 201_088,
  hidden_size: 2880,
  intermediate_size: 2880,
  num_hidden_layers: 36,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  max_position_embeddings: 131_072,
  rope_theta: 150_000,
};

/** Where a config has no RoPE at all. */
const YARN = {
  rope_type: 'yarn',
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
};

export const gptOss = defineFamily(configSchema, {
  modelTypes: ['gpt_oss'],
  defaults: { gpt_oss: DEFAULTS },
  describe(parsed, names) {
    const config = withRope(parsed);
    const { hidden, headDim } = attentionSizes(config);
    const counts = expertCounts(
      config.num_local_experts,
      config.num_experts_per_tok,
      config.num_hidden_layers,
    );
    const kindOf = attentionKinds(config, (index) => index % 2 === 0);
    const attention = {
      rotary: rotaryEmbedding(config, { headDim }),
      sinks: 'self_attn.sinks',
    };
    const router = routerPart({
      weight: 'mlp.router.weight',
      bias: 'mlp.router.bias',
      experts: counts.count,
      hidden,
      routing: topSoftmaxRouting(counts.perToken),
    });
    return ropeDecoder({
      family: 'gpt_oss',
      config,
      names,
      norm: rmsNorms(config.rms_norm_eps),
      tied: config.tie_word_embeddings,
      biases: biasesOf(config),
      blockKind(index) {
        const kind = kindOf(index);
        const window = kind === 'sliding_attention' ? (config.sliding_window ?? undefined) : undefined;
        return { name: kind, attention: { ...attention, window } };
      },
      experts: (_, prefix) => ({
        router,
        experts: expertList(
          { prefix, graphKey: 'gpt_oss expert', ...counts, hidden, list: 'mlp.experts' },
          (index) => expertNetwork(storedLinears(config, index)),
        ),
      }),
    });
  },
});

function withRope(config: GptOssConfig): GptOssConfig {
  return config.rope_parameters || config.rope_scaling ? config : { ...config, rope_scaling: YARN };
}

/**
 * The linears of an expert out of `gate_up_proj` [experts, hidden, 2·intermediate], whose columns are gate and up by turns, and
 * `down_proj` [experts, intermediate, hidden].
 */
function storedLinears(config: GptOssConfig, index: number): GatedLinears {
  const { num_local_experts: experts, hidden_size: hidden, intermediate_size: intermediate } = config;
  const own = expertLinears({
    hidden,
    intermediate,
    linears: gatedNames(),
  });
  const place = (tensor: string, sizes: readonly [number, number], first: number, rowStride: number) => {
    const [inputs, outputs] = sizes;
    const part = { run: outputs / rowStride, runStride: 0, rowStride, columnStride: outputs };
    const weight: Placement = {
      ...part,
      tensor,
      shape: [experts, inputs, outputs],
      offset: index * inputs * outputs + first,
    };
    const bias: Placement = {
      ...part,
      tensor: `${tensor}_bias`,
      shape: [experts, outputs],
      offset: index * outputs + first,
    };
    return { bias: true, stored: { weight, bias } };
  };
  return {
    gate: { ...own.gate, ...place('gate_up_proj', [hidden, 2 * intermediate], 0, 2) },
    up: { ...own.up, ...place('gate_up_proj', [hidden, 2 * intermediate], 1, 2) },
    down: { ...own.down, ...place('down_proj', [intermediate, hidden], 0, 1) },
  };
}

/** No config of a published model has another. */
const CLAMP = 7;

/** (up + 1) · gate · sigmoid(1.702·gate), with gate at most 7 and up within ±7. */
function clampedGating(graph: GraphBuilder, gate: Value, up: Value): Value {
  const gated = geluSigmoid(graph, clamp(graph, gate, CLAMP, Number.NEGATIVE_INFINITY));
  const one = graph.constant('one', [], Float32Array.of(1));
  return multiply(graph, gated, add(graph, clamp(graph, up, CLAMP), one));
}

function expertNetwork(linears: GatedLinears): ExpertNetwork {
  const list = [linears.gate, linears.up, linears.down];
  return {
    tensors: linearTensors(list),
    linears: linearDescriptions(list),
    apply(scope, x, weights) {
      // The biases of gate and up make something of rows that are no tokens.
      const network = feedForwardWith(linears, (graph, gate, up) =>
        multiply(graph, clampedGating(graph, gate, up()), sign(graph, weights)),
      );
      return network.apply(scope, x);
    },
  };
}
