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

export interface Family {
  /** Its values of `model_type` in `config.json`. */
  readonly modelTypes: readonly string[];
  /** What of `config.json` the family reads. */
  readonly configSchema: z.ZodType;
  /** By `model_type`: what `transformers` takes where the config of a text model within a larger one has nothing. */
  readonly defaults?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** @throws RequestError when the config asks for something the family doesn't compute */
  describe(config: unknown, names: TensorNames): ModelDescription;
}
