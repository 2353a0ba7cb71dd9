/**
 * The rotary embedding that a model's config asks for.
 * @module
 */
import { z } from 'zod';
import { shortened } from '../checkpoint/strict-json.js';
import type { RotaryAngles, RotaryEmbedding } from '../graph/operators/rotary.js';
import { ConfigError } from './config-error.js';
import { configSize } from './config-size.js';
import { schemaProblems } from './schema-problems.js';

const factors = z.array(z.number().positive()).max(2 ** 13);

const scalingSchema = z.looseObject({
  rope_type: z.string().optional(),
  /** The name of `rope_type` in older configs. */
  type: z.string().optional(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: z.number().positive().nullish(),
  attention_factor: z.number().positive().nullish(),
  beta_fast: z.number().positive().nullish(),
  beta_slow: z.number().positive().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  long_factor: factors.nullish(),
  short_factor: factors.nullish(),
});

type RopeScaling = z.infer<typeof scalingSchema>;

/** The fields of `config.json` that say how positions are turned: the older and the newer spelling. */
export const ropeConfigShape = {
  rope_theta: z.number().positive().nullish(),
  rope_scaling: scalingSchema.nullish(),
  /** One for all blocks, or one for each kind of block. */
  rope_parameters: scalingSchema.nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  original_max_position_embeddings: configSize.nullish(),
};

export type RopeConfig = z.infer<z.ZodObject<typeof ropeConfigShape>> & {
  readonly max_position_embeddings: number;
};

export interface RotaryOptions {
  readonly headDim: number;
  readonly interleaved?: boolean;
  /** Whether the config may say that a part of each head is turned. */
  readonly isPartial?: boolean;
  /** Kind of the block, where `rope_parameters` has one entry a kind. */
  readonly kind?: string;
  /** Where the config has none. */
  readonly theta?: number;
  /** How many dimensions of a head are turned, in the place of a share. */
  readonly dimensions?: number;
}

/** What `transformers` assumes when a config has no `rope_theta`. */
const DEFAULT_THETA = 10_000;

/** What all types are computed from. */
interface Rope {
  readonly type: string;
  readonly theta: number;
  /** Dimensions that are turned. */
  readonly size: number;
  /** Longest window of the model. */
  readonly longest: number;
  /** Longest window that it was first trained on. */
  readonly original: number;
  readonly scaling: RopeScaling;
  /** @throws ConfigError when the config has none */
  required(name: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number;
}

type RopeType = (rope: Rope) => RotaryEmbedding['angles'];

const TYPES: Readonly<Record<string, RopeType>> = {
  default: plain,
  /** Positions in time, height and width (Wang et al. 2024, arXiv 2409.12191), which are the same for tokens of text. */
  mrope: plain,
  linear: (rope) => {
    const factor = f32(rope.required('factor'));
    return fixed({
      frequencies: plainFrequencies(rope).map((frequency) => f32(frequency / factor)),
      scale: 1,
    });
  },
  dynamic,
  llama3,
  yarn,
  longrope: longRope,
  /** The first name of the same in Phi-3's configs. */
  su: longRope,
};

/**
 * Types: `default` (Su et al. 2021), `linear` (position interpolation, Chen et al. 2023, arXiv 2306.15595), `dynamic` (NTK-aware
 * scaling with the length of the window, as described in section 3.3 of Peng et al. 2023), `yarn` (Peng et al. 2023,
 * arXiv 2309.00071), `llama3` (Grattafiori et al. 2024, arXiv 2407.21783), `longrope` (Ding et al. 2024, arXiv 2402.13753).
 *
 * @throws ConfigError for another type, a missing parameter of the type, or an odd number of dimensions to turn
 */
export function rotaryEmbedding(config: RopeConfig, options: RotaryOptions): RotaryEmbedding {
  const { headDim, interleaved = false, kind } = options;
  const scaling = ropeScaling(config, kind);
  const share = scaling.partial_rotary_factor ?? config.partial_rotary_factor;
  const partial = (options.isPartial ? share : undefined) ?? 1;
  const size = options.dimensions ?? Math.trunc(headDim * partial);
  if (size < 2 || size % 2 !== 0 || size > headDim) {
    throw new ConfigError(
      `${size} of the ${headDim} dimensions of a head are to be rotated, which are no pairs`,
    );
  }
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  const longest = config.max_position_embeddings;
  const rope: Rope = {
    type,
    theta: scaling.rope_theta ?? config.rope_theta ?? options.theta ?? DEFAULT_THETA,
    size,
    longest,
    original: config.original_max_position_embeddings ?? scaling.original_max_position_embeddings ?? longest,
    scaling,
    required: (name) => requiredParameter(scaling, type, name),
  };
  const angles = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!angles) {
    const supported = Object.keys(TYPES).join(', ');
    throw new ConfigError(`RoPE of type ${shortened(type)} is not supported; supported: ${supported}`);
  }
  return { pairs: size / 2, interleaved, angles: angles(rope) };
}

/**
 * The rotary embeddings of blocks that see everything and of blocks with a window. Older configs have a base of their own for
 * the latter, if any, and scale the former alone.
 *
 * @param theta bases where the config has none
 */
export function rotaryByKind(
  config: RopeConfig & { readonly rope_local_base_freq?: number | null | undefined },
  headDim: number,
  theta: { readonly full: number; readonly sliding: number },
): { readonly full_attention: RotaryEmbedding; readonly sliding_attention: RotaryEmbedding } {
  const local = { ...config, rope_scaling: null, rope_theta: config.rope_local_base_freq };
  return {
    full_attention: rotaryEmbedding(config, { headDim, kind: 'full_attention', theta: theta.full }),
    sliding_attention: rotaryEmbedding(local, { headDim, kind: 'sliding_attention', theta: theta.sliding }),
  };
}

/** What a config says of RoPE's type. The older spelling counts where it has both, unless there is nothing in it. */
export function ropeScaling(
  { rope_scaling: older, rope_parameters: newer }: Pick<RopeConfig, 'rope_scaling' | 'rope_parameters'>,
  kind?: string,
): RopeScaling {
  const own = kind === undefined ? undefined : newer?.[kind];
  if (own === undefined || own === null) {
    return (older && Object.keys(older).length > 0 ? older : newer) ?? {};
  }
  const parsed = scalingSchema.safeParse(own);
  if (!parsed.success) {
    throw new ConfigError(`rope_parameters.${kind}: ${schemaProblems(parsed.error)}`);
  }
  return parsed.data;
}

function requiredParameter<Name extends keyof RopeScaling>(
  scaling: RopeScaling,
  type: string,
  name: Name,
): NonNullable<RopeScaling[Name]> {
  const value = scaling[name];
  if (value === undefined || value === null) {
    throw new ConfigError(`RoPE of type ${type} needs ${String(name)}`);
  }
  return value;
}

function fixed(angles: RotaryAngles): RotaryEmbedding['angles'] {
  return () => angles;
}

function plain(rope: Rope): RotaryEmbedding['angles'] {
  return fixed({ frequencies: plainFrequencies(rope), scale: 1 });
}

/** Frequencies are rounded where `transformers` rounds them: positions multiply what they differ by. */
const f32 = Math.fround;

/** theta^(2i/size) */
function periods({ size, theta }: Pick<Rope, 'size' | 'theta'>): Float64Array {
  return Float64Array.from({ length: size / 2 }, (_, pair) => f32(f32(theta) ** f32((2 * pair) / size)));
}

/** theta^(−2i/size) */
function plainFrequencies(rope: Pick<Rope, 'size' | 'theta'>): Float64Array {
  return periods(rope).map((period) => f32(1 / period));
}

function dynamic(rope: Rope): RotaryEmbedding['angles'] {
  const { size, theta, longest } = rope;
  const factor = rope.required('factor');
  return (tokens) => {
    const length = Math.max(tokens, longest);
    const round = tokens > longest ? f32 : Number;
    const stretch = round(round(round(factor * length) / longest) - (factor - 1));
    return {
      frequencies: plainFrequencies({ size, theta: round(theta * round(stretch ** (size / (size - 2)))) }),
      scale: 1,
    };
  };
}

function llama3(rope: Rope): RotaryEmbedding['angles'] {
  const factor = rope.required('factor');
  const low = rope.required('low_freq_factor');
  const high = rope.required('high_freq_factor');
  const frequencies = plainFrequencies(rope).map((frequency) => {
    const length = f32(f32(1 / frequency) * f32(2 * Math.PI));
    const turns = f32(f32(1 / length) * rope.original);
    const smooth = Math.min(Math.max(f32(f32(turns - f32(low)) / f32(high - low)), 0), 1);
    return f32(f32(f32(f32(1 - smooth) * frequency) / f32(factor)) + f32(smooth * frequency));
  });
  return fixed({ frequencies, scale: 1 });
}

/** Length of attention's logits in YaRN, 0.1·m·ln(s) + 1 (Peng et al. 2023, section 3.4). */
export function yarnScale(factor: number, mscale = 1): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}

function yarn(rope: Rope): RotaryEmbedding['angles'] {
  const { size, theta, original, longest, scaling } = rope;
  const factor = scaling.factor ?? longest / original;
  const { mscale, mscale_all_dim: all } = scaling;
  const scale =
    scaling.attention_factor ??
    (mscale && all ? yarnScale(factor, mscale) / yarnScale(factor, all) : yarnScale(factor));
  const pairWith = (turns: number) =>
    (size * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const round = (scaling.truncate ?? true) ? [Math.floor, Math.ceil] : [Number, Number];
  const first = Math.max(round[0]?.(pairWith(scaling.beta_fast ?? 32)) ?? 0, 0);
  const last = Math.min(round[1]?.(pairWith(scaling.beta_slow ?? 1)) ?? 0, size - 1);
  const width = first === last ? 0.001 : last - first;
  const frequencies = periods(rope).map((period, pair) => {
    const ramp = Math.min(Math.max(f32(f32(pair - f32(first)) / f32(width)), 0), 1);
    const kept = f32(1 - ramp);
    const interpolated = f32(f32(1 / f32(f32(factor) * period)) * f32(1 - kept));
    return f32(interpolated + f32(f32(1 / period) * kept));
  });
  return fixed({ frequencies, scale });
}

function longRope(rope: Rope): RotaryEmbedding['angles'] {
  const { type, original, longest, scaling } = rope;
  const factor = scaling.factor ?? longest / original;
  const scale =
    scaling.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
  const divided = (name: 'long_factor' | 'short_factor'): RotaryAngles => {
    const divisors = requiredParameter(scaling, type, name);
    const plain = periods(rope);
    if (divisors.length !== plain.length) {
      throw new ConfigError(`${name} has ${divisors.length} numbers for ${plain.length} pairs`);
    }
    const frequencies = plain.map((period, pair) => f32(1 / f32(f32(divisors[pair] as number) * period)));
    return { frequencies, scale };
  };
  const [long, short] = [divided('long_factor'), divided('short_factor')];
  return (tokens) => (tokens > original ? long : short);
}
