/**
 * Rotary frequencies from a model's config.
 * @module
 */
import { z } from 'zod';
import { RequestError } from '../errors.js';
import type { RotaryFrequencies } from '../graph/operators/rotary.js';

const scalingSchema = z.looseObject({
  rope_type: z.string().optional(),
  /** The name of `rope_type` in older configs. */
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: z.number().positive().optional(),
});

/** The fields of `config.json` that say how positions are rotated: the older and the newer spelling. */
export const ropeConfigShape = {
  rope_theta: z.number().positive().optional(),
  rope_scaling: scalingSchema.nullish(),
  rope_parameters: scalingSchema.nullish(),
};

export type RopeConfig = z.infer<z.ZodObject<typeof ropeConfigShape>>;

/** What `transformers` assumes when a config has no `rope_theta`. */
const DEFAULT_THETA = 10_000;

/**
 * Frequencies for a head of `headDim` dimensions.
 *
 * Types: `default` (Su et al. 2021), `linear` (position interpolation, Chen et al. 2023, arXiv 2306.15595),
 * `llama3` (Llama 3.1's frequency-dependent interpolation, Grattafiori et al. 2024, arXiv 2407.21783).
 *
 * @throws RequestError for another type, or a missing parameter of the type
 */
export function ropeFrequencies(config: RopeConfig, headDim: number): RotaryFrequencies {
  const scaling = config.rope_parameters ?? config.rope_scaling ?? {};
  const theta = scaling.rope_theta ?? config.rope_theta ?? DEFAULT_THETA;
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  const inverse = Float64Array.from({ length: headDim / 2 }, (_, pair) => theta ** ((-2 * pair) / headDim));

  const parameter = (
    name: 'factor' | 'low_freq_factor' | 'high_freq_factor' | 'original_max_position_embeddings',
  ) => {
    const value = scaling[name];
    if (value === undefined) throw new RequestError(`config.json: RoPE of type ${type} needs ${name}`);
    return value;
  };

  switch (type) {
    case 'default':
      return { inverse };
    case 'linear': {
      const factor = parameter('factor');
      return { inverse: inverse.map((frequency) => frequency / factor) };
    }
    case 'llama3': {
      const factor = parameter('factor');
      const low = parameter('low_freq_factor');
      const high = parameter('high_freq_factor');
      const length = parameter('original_max_position_embeddings');
      return {
        inverse: inverse.map((frequency) => {
          const turns = (length * frequency) / (2 * Math.PI);
          const smooth = Math.min(Math.max((turns - low) / (high - low), 0), 1);
          return (1 - smooth) * (frequency / factor) + smooth * frequency;
        }),
      };
    }
    default:
      throw new RequestError(
        `config.json: RoPE of type ${type} is not supported yet; supported: default, linear, llama3`,
      );
  }
}
