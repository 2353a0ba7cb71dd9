/**
 * The interface of a model family. A new family is one file in `families/` and one line in `describe-model.ts`.
 * @module
 */
import type { z } from 'zod';
import type { ModelDescription } from './description.js';

export interface Family {
  /** `model_type` in `config.json`. */
  readonly modelType: string;
  /** What of `config.json` the family reads. */
  readonly configSchema: z.ZodType;
  /** @throws RequestError when the config asks for something the family doesn't compute */
  describe(config: unknown): ModelDescription;
}
