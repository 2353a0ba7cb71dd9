/**
 * How a checkpoint says that it is quantized: which encodings are read, and which are refused.
 * @module
 */
import { z } from 'zod';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { schemaProblems } from '../model/schema-problems.js';

/** FP8 E4M3 with scales of blocks, rows or whole matrices. */
export interface Fp8Quantization {
  readonly method: 'fp8';
  /** Rows and columns that share a scale where there are scales for blocks. */
  readonly block?: readonly [rows: number, columns: number] | undefined;
  /** Whether scales are powers of two. */
  readonly powersOfTwo: boolean;
}

/** MXFP4 experts, as gpt-oss is published. */
export interface Mxfp4Quantization {
  readonly method: 'mxfp4';
}

export type Quantization = Fp8Quantization | Mxfp4Quantization;

/** Where in `config.json` it may be said; what comes first counts. The second is that of a model of images and text. */
export const QUANTIZATION_PATHS: readonly (readonly string[])[] = [
  ['quantization_config'],
  ['text_config', 'quantization_config'],
];

/** Where NVIDIA's ModelOpt says it, in the place of `config.json` or beside it. */
export const MODELOPT_FILE = 'hf_quant_config.json';

/** Published blocks have 128 rows and columns; kernels count in 32 bits. */
const MAX_BLOCK = 65_536;
const blockSide = z.int().positive().max(MAX_BLOCK);
const blockSchema = z.tuple([blockSide, blockSide]);

/** What `transformers` takes where `weight_block_size` is left out. */
const DEFAULT_BLOCK = [128, 128] as const;

const fp8Schema = z.looseObject({
  fmt: z.literal('e4m3').default('e4m3'),
  activation_scheme: z.enum(['dynamic', 'static']).default('dynamic'),
  weight_block_size: blockSchema.nullish(),
  scale_fmt: z.string().nullish(),
});

/** A scheme of compressed-tensors, of a group of modules. */
const groupSchema = z.looseObject({
  weights: z.looseObject({
    num_bits: z.literal(8),
    type: z.literal('float'),
    symmetric: z.literal(true).default(true),
    strategy: z.enum(['tensor', 'channel', 'block']),
    block_structure: blockSchema.nullish(),
  }),
});

/** Of compressed-tensors: both store codes and scales in the same way. */
const FLOAT_FORMATS: readonly unknown[] = ['float-quantized', 'naive-quantized'];

const compressedTensorsSchema = z.looseObject({
  config_groups: z.record(z.string(), groupSchema),
  sparsity_config: z.looseObject({ format: z.literal('dense').optional() }).nullish(),
  transform_config: z
    .looseObject({ config_groups: z.record(z.string(), z.never('rotated weights are not read')).optional() })
    .nullish(),
});

/** Of ModelOpt: one scale a matrix, or one a row. */
const FLOAT_ALGORITHMS: readonly unknown[] = ['FP8', 'FP8_PER_CHANNEL_PER_TOKEN'];

/** What to do about methods that aren't read. */
const REMEDIES: Readonly<Record<string, string>> = {
  bitsandbytes: 'prune the checkpoint that it was loaded from',
  'compressed-tensors': 'prune the checkpoint that it was compressed from',
};
const REMEDY = 'prune the checkpoint that was quantized, and quantize what comes out';

interface Found {
  readonly value: Readonly<Record<string, unknown>>;
  /** The file and the field, for messages. */
  readonly where: string;
}

/** By `quant_method`. */
const methods: Readonly<Record<string, (found: Found) => Quantization>> = {
  mxfp4: () => ({ method: 'mxfp4' }),
  fp8({ value, where }) {
    const { weight_block_size: block, scale_fmt: scaleFormat } = parse(fp8Schema, value, where);
    const own = block === undefined ? DEFAULT_BLOCK : (block ?? undefined);
    return { method: 'fp8', block: own, powersOfTwo: scaleFormat === 'ue8m0' };
  },
  fbgemm_fp8: () => ({ method: 'fp8', powersOfTwo: false }),
  'compressed-tensors'({ value, where }) {
    const { format } = value;
    if (!FLOAT_FORMATS.includes(format)) throw notRead('compressed-tensors', 'format', format, where);
    const { config_groups: groups } = parse(compressedTensorsSchema, value, where);
    const blocks = Object.values(groups).flatMap(({ weights }) => weights.block_structure ?? []);
    const [rows, columns] = blocks;
    if (rows === undefined || columns === undefined) return { method: 'fp8', powersOfTwo: false };
    if (blocks.some((side, i) => side !== blocks[i % 2]))
      throw new RequestError(`${where}: config_groups have more than one block_structure. ${REMEDY}`);
    return { method: 'fp8', block: [rows, columns], powersOfTwo: false };
  },
  modelopt({ value, where }) {
    const { quant_algo: algorithm } = { ...value, ...asObject(value.quantization) };
    if (!FLOAT_ALGORITHMS.includes(algorithm)) throw notRead('modelopt', 'quant_algo', algorithm, where);
    return { method: 'fp8', powersOfTwo: false };
  },
};

const readMethods = 'fp8, fbgemm_fp8, compressed-tensors and modelopt in FP8, and mxfp4';

function notRead(method: string, field: string | undefined, value: unknown, where: string): RequestError {
  const detail = field === undefined ? '' : ` (${field} ${shortened(JSON.stringify(value) ?? 'missing')})`;
  return new RequestError(
    `${where}: the checkpoint is quantized with ${shortened(method)}${detail}; quant_method ${readMethods} are read. ` +
      `${Object.hasOwn(REMEDIES, method) ? REMEDIES[method] : REMEDY}`,
  );
}

function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new RequestError(`${where}: ${schemaProblems(parsed.error)}. ${REMEDY}`);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function quantizationOf(found: Found): Quantization {
  const { quant_method: name } = found.value;
  if (typeof name !== 'string')
    throw notRead('a method that quant_method does not name', undefined, name, found.where);
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (!method) throw notRead(name, undefined, name, found.where);
  return method(found);
}

/**
 * @param config the parsed `config.json`
 * @param where its path, for messages
 * @returns undefined for a checkpoint that isn't quantized, as far as it says
 * @throws RequestError for an encoding that isn't read, with what to do
 */
export function parseQuantization(config: unknown, where: string): Quantization | undefined {
  for (const path of QUANTIZATION_PATHS) {
    const value = path.reduce((object: unknown, key) => asObject(object)?.[key], config);
    if (value === undefined || value === null) continue;
    const place = `${where}: ${path.join('.')}`;
    const object = asObject(value);
    if (!object) throw new RequestError(`${place}: expected an object`);
    return quantizationOf({ value: object, where: place });
  }
  return undefined;
}

/**
 * @param config the parsed `hf_quant_config.json`
 * @param where its path, for messages
 * @throws RequestError for an encoding that isn't read, with what to do
 */
export function parseModelOpt(config: unknown, where: string): Quantization {
  return quantizationOf({ value: { ...asObject(config), quant_method: 'modelopt' }, where });
}
