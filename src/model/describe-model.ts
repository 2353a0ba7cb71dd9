/**
 * `config.json` → description of the model.
 * @module
 */
import { z } from 'zod';
import { RequestError } from '../errors.js';
import type { ModelDescription } from './description.js';
import { granite } from './families/granite.js';
import { llama } from './families/llama.js';
import { qwen } from './families/qwen.js';
import { smollm3 } from './families/smollm3.js';
import type { Family, TensorNames } from './family.js';

const families: readonly Family[] = [llama, qwen, smollm3, granite];

const headerSchema = z.looseObject({ model_type: z.string() });

/**
 * @param config the parsed `config.json`
 * @param where its path, for messages
 * @param names of the checkpoint's tensors; without them, they are as `transformers` writes them
 * @throws RequestError for a family that isn't supported or a config that doesn't describe one
 */
export function describeModel(
  config: unknown,
  where: string,
  names: TensorNames = new Set(),
): ModelDescription {
  const header = headerSchema.safeParse(config);
  if (!header.success)
    throw new RequestError(`${where}: no model_type, so this is not a transformers config`);
  const { model_type: modelType } = header.data;
  const family = families.find((candidate) => candidate.modelTypes.includes(modelType));
  if (!family) {
    const supported = families.flatMap((candidate) => candidate.modelTypes).join(', ');
    throw new RequestError(`${where}: model_type ${modelType} is not supported yet; supported: ${supported}`);
  }
  const parsed = family.configSchema.safeParse(config);
  if (!parsed.success) {
    throw new RequestError(`${where}: ${z.prettifyError(parsed.error)}`);
  }
  return family.describe(config, names);
}
