/**
 * `config.json` → description of the model.
 * @module
 */
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { ConfigError } from './config-error.js';
import type { ModelDescription } from './description.js';
import { bloom } from './families/bloom.js';
import { cohere } from './families/cohere.js';
import { deepseek } from './families/deepseek.js';
import { falcon } from './families/falcon.js';
import { gemma } from './families/gemma.js';
import { gptNeox } from './families/gpt-neox.js';
import { gptOss } from './families/gpt-oss.js';
import { gpt2 } from './families/gpt2.js';
import { gptj } from './families/gptj.js';
import { granite } from './families/granite.js';
import { llama } from './families/llama.js';
import { mixtral } from './families/mixtral.js';
import { olmo } from './families/olmo.js';
import { opt } from './families/opt.js';
import { phi3 } from './families/phi3.js';
import { qwen } from './families/qwen.js';
import { qwenMoe } from './families/qwen-moe.js';
import { smollm3 } from './families/smollm3.js';
import { stablelm } from './families/stablelm.js';
import { starcoder2 } from './families/starcoder2.js';
import type { Family, TensorNames } from './family.js';
import { schemaProblems } from './schema-problems.js';
import { textConfig } from './text-config.js';

/** All that are supported. */
export const families: readonly Family[] = [
  llama,
  qwen,
  smollm3,
  granite,
  mixtral,
  qwenMoe,
  deepseek,
  gptOss,
  gpt2,
  opt,
  gptNeox,
  gptj,
  falcon,
  bloom,
  stablelm,
  starcoder2,
  phi3,
  gemma,
  olmo,
  cohere,
];

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
  const text = textConfig(config);
  if (!text) throw new RequestError(`${where}: no model_type, so this is not a transformers config`);
  const { modelType } = text;
  const family = families.find((candidate) => candidate.modelTypes.includes(modelType));
  if (!family) {
    const supported = families.flatMap((candidate) => candidate.modelTypes).join(', ');
    throw new RequestError(
      `${where}: model_type ${shortened(modelType)} is not supported yet; supported: ${supported}`,
    );
  }
  const parsed = family.configSchema.safeParse({ ...family.defaults?.[modelType], ...text.config });
  if (!parsed.success) {
    throw new RequestError(`${where}: ${schemaProblems(parsed.error)}`);
  }
  try {
    return family.describe(parsed.data, names);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new RequestError(`${where}: ${error.message}`, { cause: error });
  }
}
