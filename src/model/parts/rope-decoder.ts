/**
 * Decoders with rotary positions, RMS or layer normalisation before or after their branches, and a gated feed-forward network,
 * named as in Llama's checkpoints.
 * @module
 */
import { z } from 'zod';
import { RequestError } from '../../errors.js';
import type { Value } from '../../graph/value.js';
import { configHeadSize, configLayers, configSize } from '../config-size.js';
import type { BlockScope, Experts, ModelDescription } from '../description.js';
import type { TensorNames } from '../family.js';
import { ropeConfigShape } from '../rotary-embedding.js';
import { activationNamed } from './activations.js';
import { type AttentionOptions, attentionPart } from './attention.js';
import { type CausalModel, causalModel, namePrefix, separateHead } from './causal-model.js';
import { type GatedLinears, gatedFeedForward } from './feed-forward.js';
import type { NormKind } from './norms.js';
import { blockOf, type LinearPart, type Part } from './part.js';
import { parallelResiduals, sequentialResiduals } from './residuals.js';

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

export type DecoderConfig = z.infer<z.ZodObject<typeof decoderConfigShape>>;

export interface AttentionSizes {
  readonly hidden: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

/** @throws RequestError when heads don't fit each other */
export function attentionSizes(config: {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
}): AttentionSizes {
  const hidden = config.hidden_size;
  const heads = config.num_attention_heads;
  const keyValueHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? hidden / heads;
  if (!configHeadSize.safeParse(headDim).success) {
    throw new RequestError(
      `config.json: head size ${headDim} (hidden_size / num_attention_heads) is no whole number, or too large`,
    );
  }
  if (heads % keyValueHeads !== 0) {
    throw new RequestError(
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
  return { hidden, heads, keyValueHeads, headDim };
}

/** Which of attention's linears have a bias. */
export interface AttentionBiases {
  readonly queryKeyValue?: boolean;
  readonly output?: boolean;
}

/** Group of q, k and v, and of what else reads the same. */
export const ATTENTION_INPUT = 'attention input';

/**
 * The four linears of attention, each a tensor of its own.
 *
 * @param names of the module, and of the output projection in it; those of Llama when left out
 */
export function separateProjections(
  { hidden, heads, keyValueHeads, headDim }: AttentionSizes,
  biases: AttentionBiases,
  { module = 'self_attn', projection = 'o_proj' }: { module?: string; projection?: string } = {},
): Pick<AttentionOptions, 'query' | 'key' | 'value' | 'output'> {
  const input = (name: string, count: number): LinearPart => ({
    name: `${module}.${name}`,
    out: count * headDim,
    in: hidden,
    inputGroup: ATTENTION_INPUT,
    bias: biases.queryKeyValue,
  });
  return {
    query: input('q_proj', heads),
    key: input('k_proj', keyValueHeads),
    value: input('v_proj', keyValueHeads),
    output: {
      name: `${module}.${projection}`,
      out: hidden,
      in: heads * headDim,
      inputGroup: 'attention output',
      bias: biases.output,
    },
  };
}

/** The three linears of the gated feed-forward network, each a tensor of its own. @param group of gate and up */
export function separateFeedForward(
  hidden: number,
  intermediate: number,
  bias: boolean,
  inputGroup = 'mlp input',
  module = 'mlp',
): GatedLinears {
  const input = { out: intermediate, in: hidden, inputGroup, bias };
  return {
    gate: { name: `${module}.gate_proj`, ...input },
    up: { name: `${module}.up_proj`, ...input },
    down: { name: `${module}.down_proj`, out: hidden, in: intermediate, inputGroup: 'mlp hidden', bias },
  };
}

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

/** Of all blocks, which are described one by one; the largest published models have some 23,000. */
const MAX_EXPERTS = 65_536;

/** @throws RequestError when the config has sizes that don't fit each other, or absurdly many experts */
export function ropeDecoder(options: RopeDecoder): ModelDescription {
  const { family, config, names, norm, biases = {}, norms = LLAMA_NORMS, isParallel = false } = options;
  const sizes = attentionSizes(config);
  const { hidden } = sizes;
  const projections = options.projections ?? separateProjections(sizes, biases);
  const feedForward =
    options.feedForward ??
    gatedFeedForward(
      separateFeedForward(
        hidden,
        config.intermediate_size,
        biases.feedForward ?? false,
        isParallel ? ATTENTION_INPUT : undefined,
      ),
      activationNamed(config.hidden_act),
    );
  const prefix = decoderPrefix(names);
  const normNamed = (name: string | undefined) => (name === undefined ? undefined : norm(name, hidden));
  let experts = 0;
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => {
    const { name, attention } = options.blockKind(index);
    const blockPrefix = `${prefix}layers.${index}.`;
    const sparse = options.experts?.(index, blockPrefix);
    experts += sparse?.experts.units.length ?? 0;
    if (experts > MAX_EXPERTS) {
      throw new RequestError(`config.json: more than ${MAX_EXPERTS} experts in all blocks are not supported`);
    }
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
export function decoderPrefix(names: TensorNames): string {
  return namePrefix(names, 'embed_tokens.weight', [
    'model.',
    'model.language_model.',
    'model.text_model.',
    'language_model.model.',
    'language_model.',
    '',
  ]);
}

/**
 * Kinds of all blocks' attention.
 *
 * @param pattern where the config has no list: every so many blocks one sees everything, the others have a window
 */
export function attentionKinds(
  config: {
    readonly layer_types?: readonly string[] | null | undefined;
    readonly num_hidden_layers: number;
  },
  pattern: number,
): readonly string[] {
  return (
    config.layer_types ??
    Array.from({ length: config.num_hidden_layers }, (_, index) =>
      (index + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
    )
  );
}

/** Kind of a block's attention by the config: `full_attention`, `sliding_attention`. @throws RequestError for another */
export function attentionKind(
  types: readonly string[],
  index: number,
): 'full_attention' | 'sliding_attention' {
  const type = types[index];
  if (type === 'full_attention' || type === 'sliding_attention') return type;
  throw new RequestError(
    `config.json: layer_types[${index}] is ${type}; supported: full_attention, sliding_attention`,
  );
}
