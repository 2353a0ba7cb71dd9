/**
 * The text model in a model of images and text.
 * @module
 */
import { z } from 'zod';

/**
 * By `model_type` of models whose text model sees images as embeddings between those of tokens: what the text model is when its
 * own config doesn't say it, as `transformers` has it. A model whose attention is not causal, such as PaliGemma, isn't one of them.
 */
const TEXT_MODEL_TYPES: Readonly<Record<string, string>> = {
  aya_vision: 'cohere2',
  cohere2_vision: 'cohere2',
  gemma3: 'gemma3_text',
  idefics3: 'llama',
  internvl: 'qwen2',
  llava: 'llama',
  llava_next: 'llama',
  llava_onevision: 'qwen2',
  mistral3: 'mistral',
  qwen2_5_vl: 'qwen2_5_vl_text',
  qwen2_vl: 'qwen2_vl_text',
  qwen3_vl: 'qwen3_vl_text',
  smolvlm: 'llama',
  vipllava: 'llama',
};

const configSchema = z.looseObject({
  model_type: z.string(),
  text_config: z.looseObject({ model_type: z.string().optional() }).nullish(),
});

export interface TextConfig {
  readonly modelType: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * The config itself or, of a model of images and text, that of its text model, which is described as if it stood alone. The first
 * configs of Qwen2-VL have no part of their own for it.
 *
 * @returns undefined for what is no config of `transformers`
 */
export function textConfig(config: unknown): TextConfig | undefined {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) return undefined;
  const { model_type: outer, text_config: inner, ...rest } = parsed.data;
  const otherwise = Object.hasOwn(TEXT_MODEL_TYPES, outer) ? TEXT_MODEL_TYPES[outer] : undefined;
  if (otherwise === undefined) return { modelType: outer, config: parsed.data };
  const modelType = inner?.model_type ?? otherwise;
  // Whether the embedding is the head, these configs say in several places or not at all: it is where no head is stored.
  const own = { ...(inner ?? rest), model_type: modelType, tie_word_embeddings: true };
  return { modelType, config: own };
}
