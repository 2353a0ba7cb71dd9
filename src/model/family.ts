/**
 * The interface of a model family. A new family is one file in `families/` and one line in `describe-model.ts`.
 * @module
 */
import type { z } from 'zod';
import type { ModelDescription } from './description.js';

/** The names of the tensors that a checkpoint has. */
export interface TensorNames {
  has(name: string): boolean;
}

interface FamilyOf<Config> {
  /** Its values of `model_type` in `config.json`. */
  readonly modelTypes: readonly string[];
  /** By `model_type`: what `transformers` takes where a config has nothing, as far as the schema doesn't say it. */
  readonly defaults?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * @param config as the schema gives it
   * @throws ConfigError when the config asks for something the family doesn't compute
   */
  describe(config: Config, names: TensorNames): ModelDescription;
}

export interface Family extends FamilyOf<unknown> {
  /** What of `config.json` the family reads. */
  readonly configSchema: z.ZodType;
}

export function defineFamily<Schema extends z.ZodType>(
  configSchema: Schema,
  family: FamilyOf<z.output<Schema>>,
): Family {
  return { configSchema, ...family };
}
