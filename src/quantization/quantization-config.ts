/**
 * `quantization_config` of a checkpoint's `config.json`: which encodings are read, and which are refused.
 * @module
 */
import { z } from 'zod';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { schemaProblems } from '../model/schema-problems.js';

/** FP8 E4M3 with a scale for every block, as DeepSeek-V3 and Qwen3 are published. */
export interface Fp8Quantization {
  readonly method: 'fp8';
  /** Rows and columns that share a scale. */
  readonly block: readonly [rows: number, columns: number];
  /** Whether scales are powers of two. */
  readonly powersOfTwo: boolean;
}

/** MXFP4 experts, as gpt-oss is published. */
export interface Mxfp4Quantization {
  readonly method: 'mxfp4';
}

export type Quantization = Fp8Quantization | Mxfp4Quantization;

const headerSchema = z.looseObject({ quant_method: z.string().optional() });

/** Published blocks have 128 rows and columns; kernels count in 32 bits. */
const MAX_BLOCK = 65_536;
const blockSide = z.int().positive().max(MAX_BLOCK);

const fp8Schema = z.looseObject({
  fmt: z.literal('e4m3').default('e4m3'),
  activation_scheme: z.literal('dynamic').default('dynamic'),
  weight_block_size: z.tuple([blockSide, blockSide], {
    error:
      'only weights with a scale for every block are read, and weight_block_size says how large these are',
  }),
  scale_fmt: z.string().nullish(),
});

/** What to do about methods that aren't read. */
const REMEDIES: Readonly<Record<string, string>> = {
  bitsandbytes: 'prune the checkpoint that it was loaded from',
  'compressed-tensors': 'prune the checkpoint that it was compressed from',
};
const REMEDY = 'prune the checkpoint that was quantized, and quantize what comes out';

interface ConfigParts {
  readonly quantization_config?: unknown;
  /** Of a model of images and text. */
  readonly text_config?: { readonly quantization_config?: unknown } | null;
}

/**
 * @param config the parsed `config.json`
 * @param where its path, for messages
 * @returns undefined for a checkpoint that isn't quantized
 * @throws RequestError for an encoding that isn't read, with what to do
 */
export function parseQuantization(config: unknown, where: string): Quantization | undefined {
  const { quantization_config: found, text_config: text } = (config ?? {}) as ConfigParts;
  if (found === undefined || found === null) {
    if (text?.quantization_config) {
      throw new RequestError(`${where}: quantization_config within text_config is not read. ${REMEDY}`);
    }
    return undefined;
  }
  const header = headerSchema.safeParse(found);
  if (!header.success) {
    throw new RequestError(`${where}: quantization_config: ${schemaProblems(header.error)}`);
  }
  const method = header.data.quant_method ?? 'a method that quant_method does not name';
  if (method === 'mxfp4') return { method };
  if (method !== 'fp8') {
    throw new RequestError(
      `${where}: the checkpoint is quantized with ${shortened(method)}; quant_method fp8 and mxfp4 are read. ` +
        `${Object.hasOwn(REMEDIES, method) ? REMEDIES[method] : REMEDY}`,
    );
  }
  const parsed = fp8Schema.safeParse(found);
  if (!parsed.success) {
    throw new RequestError(`${where}: quantization_config: ${schemaProblems(parsed.error)}`);
  }
  const { weight_block_size: block, scale_fmt: scaleFormat } = parsed.data;
  return { method, block, powersOfTwo: scaleFormat === 'ue8m0' };
}
