/**
 * Decoders with rotary positions, RMS or layer normalisation before or after their branches, and a gated feed-forward network,
 * named as in Llama's checkpoints.
 * @module
 */
import { z } from 'zod';
import { shortened } from '../../checkpoint/strict-json.js';
import type { Value } from '../../graph/value.js';
import { ConfigError } from '../config-error.js';
import { configHeadSize, configLayers, configSize } from '../config-size.js';
import type { BlockScope, Experts, ModelDescription } from '../description.js';
import type { TensorNames } from '../family.js';
import { ropeConfigShape } from '../rotary-embedding.js';
import { activationNamed } from './activations.js';
import { type AttentionOptions, attentionPart } from './attention.js';
import { type AttentionSizes, attentionSizes } from './attention-sizes.js';
import { type CausalModel, causalModel, namePrefix, separateHead } from './causal-model.js';
import { gatedFeedForward, gatedLinears, gatedNames } from './feed-forward.js';
import { ATTENTION_INPUT } from './input-groups.js';
import type { NormKind } from './norms.js';
import { blockOf, type Part } from './part.js';
import { parallelResiduals, sequentialResiduals } from './residuals.js';
import { type AttentionBiases, separateProjections } from './separate-projections.js';

/** The fields of `config.json` that these decoders share. */
export const decoderConfigShape = {
  hidden_size: configSize,
  intermediate_size: configSize,
  num_hidden_layers: configLayers,
  num_attention_heads: configSize,
  num_key_value_heads: configSize.nullish(),
  head_dim: configHeadSize.nullish(),
  vocab_size: configSize,
  max_position_embeddings: configSize.default(2048),
  hidden_act: z.string().default('silu'),
  ...ropeConfigShape,
};

/** RMS normalisation's epsilon, as most have it. */
export const rmsNormShape = { rms_norm_eps: z.number().positive().default(1e-6) };

/** Which blocks see a part of the window only. */
export const layerTypesShape = {
  layer_types: z.array(z.string()).nullish(),
  sliding_window: configSize.nullish(),
};

/** Which linears have a bias, as most configs say it. */
export const biasesShape = {
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
};

/** The biases that a config with these fields asks for. */
export function biasesOf(config: {
  readonly attention_bias: boolean;
  readonly mlp_bias?: boolean;
}): NonNullable<RopeDecoder['biases']> {
  const { attention_bias: attention, mlp_bias: feedForward = false } = config;
  return { queryKeyValue: attention, output: attention, feedForward };
}

export type DecoderConfig = z.infer<z.ZodObject<typeof decoderConfigShape>>;

/** What blocks of one kind have of their own. */
export interface BlockKind {
  /** Blocks of the same name are computed alike. */
  readonly name: string;
  readonly attention:
    | Omit<AttentionOptions, 'query' | 'key' | 'value' | 'output' | keyof AttentionSizes>
    /** In the place of attention with q, k and v of the same heads. */
    | { readonly part: Part };
}

export interface RopeDecoder extends Pick<CausalModel, 'embeddingScale' | 'logitScale' | 'logitSoftcap'> {
  readonly family: string;
  readonly config: DecoderConfig;
  readonly names: TensorNames;
  readonly norm: NormKind;
  /** Whether the embedding is the head where no head is stored. */
  readonly tied: boolean;
  readonly maxSequenceLength?: number;
  readonly biases?: AttentionBiases & { readonly feedForward?: boolean };
  readonly blockKind: (index: number) => BlockKind;
  /** In the place of the feed-forward network of some blocks. @param prefix of the block */
  readonly experts?: (index: number, prefix: string) => ExpertBranch | undefined;
  /** In the place of linears that are tensors of their own. */
  readonly projections?: Pick<AttentionOptions, 'query' | 'key' | 'value' | 'output'>;
  readonly feedForward?: Part;
  /** Whether both branches read what `beforeAttention` gives, instead of one after the other. */
  readonly isParallel?: boolean;
  /** Names of the normalisations before and after the branches; those of Llama when left out. */
  readonly norms?: BranchNorms | undefined;
  /** Factor of what the branches give. */
  readonly residualScale?: number;
}

/** A router, and what it sends tokens to. */
export interface ExpertBranch {
  readonly router: Part<BlockScope, Value | undefined>;
  readonly experts: Experts;
}

export interface BranchNorms {
  readonly beforeAttention?: string;
  readonly afterAttention?: string;
  readonly beforeFeedForward?: string;
  readonly afterFeedForward?: string;
}

const LLAMA_NORMS: BranchNorms = {
  beforeAttention: 'input_layernorm',
  beforeFeedForward: 'post_attention_layernorm',
};

/** @throws ConfigError when the config has sizes that don't fit each other */
export function ropeDecoder(options: RopeDecoder): ModelDescription {
  const { family, config, names, norm, biases = {}, norms = LLAMA_NORMS, isParallel = false } = options;
  const sizes = attentionSizes(config);
  const { hidden } = sizes;
  const projections = options.projections ?? separateProjections(sizes, biases);
  const feedForward =
    options.feedForward ??
    gatedFeedForward(
      gatedLinears(gatedNames('mlp'), {
        hidden,
        intermediate: config.intermediate_size,
        bias: biases.feedForward,
        inputGroup: isParallel ? ATTENTION_INPUT : undefined,
      }),
      activationNamed(config.hidden_act),
    );
  const prefix = decoderPrefix(names);
  const normNamed = (name: string | undefined) => (name === undefined ? undefined : norm(name, hidden));
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => {
    const { name, attention } = options.blockKind(index);
    const blockPrefix = `${prefix}layers.${index}.`;
    const sparse = options.experts?.(index, blockPrefix);
    const part =
      'part' in attention ? attention.part : attentionPart({ ...sizes, ...projections, ...attention });
    const network = sparse?.router ?? feedForward;
    const before = normNamed(norms.beforeAttention);
    const { parts, forward } = isParallel
      ? parallelResiduals([{ part }, { part: network }], before)
      : sequentialResiduals(
          [
            { before, part, after: normNamed(norms.afterAttention) },
            {
              before: normNamed(norms.beforeFeedForward),
              part: network,
              after: normNamed(norms.afterFeedForward),
            },
          ],
          options.residualScale,
        );
    return blockOf(parts, {
      prefix: blockPrefix,
      hiddenSize: hidden,
      graphKey: `${family} ${name}${sparse ? ' with experts' : ''}`,
      forward,
      experts: sparse?.experts,
    });
  });
  const head = `${namePrefix(names, 'lm_head.weight', ['', 'language_model.'])}lm_head.weight`;
  return causalModel({
    family,
    hiddenSize: hidden,
    vocabularySize: config.vocab_size,
    maxSequenceLength: options.maxSequenceLength ?? config.max_position_embeddings,
    blocks,
    embedding: `${prefix}embed_tokens.weight`,
    embeddingScale: options.embeddingScale,
    norm: norm(`${prefix}norm`, hidden),
    head: separateHead(names, options.tied, head),
    logitScale: options.logitScale,
    logitSoftcap: options.logitSoftcap,
  });
}

/** Before `embed_tokens.weight` and `layers.0.`: by itself, or the text part of a model of images and text. */
function decoderPrefix(names: TensorNames): string {
  return namePrefix(names, 'embed_tokens.weight', [
    'model.',
    'model.language_model.',
    'model.text_model.',
    'language_model.model.',
    'language_model.',
    '',
  ]);
}

export type AttentionKind = 'full_attention' | 'sliding_attention';

/**
 * Kind of each block's attention.
 *
 * @param slides where the config has no list: whether a block has a window
 * @returns throws ConfigError for a kind that isn't known
 * @throws ConfigError for a list of another length than there are blocks, as `transformers` does
 */
export function attentionKinds(
  config: Pick<DecoderConfig, 'num_hidden_layers'> & {
    readonly layer_types?: readonly string[] | null | undefined;
  },
  slides: (index: number) => boolean,
): (index: number) => AttentionKind {
  const { layer_types: types, num_hidden_layers: blocks } = config;
  if (types && types.length !== blocks) {
    throw new ConfigError(`layer_types has ${types.length} entries for num_hidden_layers ${blocks}`);
  }
  return (index) => {
    if (!types) return slides(index) ? 'sliding_attention' : 'full_attention';
    const type = types[index];
    if (type === 'full_attention' || type === 'sliding_attention') return type;
    throw new ConfigError(
      `layer_types[${index}] is ${shortened(String(type))}; supported: full_attention, sliding_attention`,
    );
  };
}

/** Every so many blocks one sees everything, the others have a window. */
export function slidesBetween(every: number): (index: number) => boolean {
  return (index) => (index + 1) % every !== 0;
}
