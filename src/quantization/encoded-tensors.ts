/**
 * Which tensors of a quantized checkpoint belong together, and what they stand for.
 * @module
 */
import type { Dtype } from '../checkpoint/dtype.js';
import { RequestError } from '../errors.js';
import { MXFP4_GROUP } from '../runtime/mxfp4-codec.js';
import type { TensorFile } from '../runtime/tensor-file.js';
import type { Fp8Quantization, Quantization } from './quantization-config.js';

interface Stored {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Where a tensor of a checkpoint begins. */
export interface StoredPlace {
  readonly path: string;
  readonly offset: number;
}

/** Codes and scales that stand for one tensor. */
export interface EncodedTensors {
  /** Of the tensor they stand for. */
  readonly name: string;
  readonly shape: readonly number[];
  /** What its elements are stored as, for people. */
  readonly storage: string;
  /** Names of the tensors in the checkpoint. */
  readonly codes: string;
  readonly scales: string;
  /** Names of scales of activations, which weights don't need: they are dropped or copied with the codes. */
  readonly unread: readonly string[];
  /** The tensor they stand for, as a file of f32. */
  file(locate: (name: string) => StoredPlace): TensorFile;
}

/** The tensors of a checkpoint that hold the one of a name. @param encoded by the names of what they stand for */
export function heldBy(encoded: ReadonlyMap<string, EncodedTensors>, name: string): string[] {
  const own = encoded.get(name);
  return own ? [own.codes, own.scales, ...own.unread] : [name];
}

/** @throws RequestError naming a tensor that lacks its scales, or whose shape isn't theirs */
export function encodedTensors(
  tensors: ReadonlyMap<string, Stored>,
  quantization: Quantization,
  folder: string,
): EncodedTensors[] {
  const all = [...tensors.values()];
  if (quantization.method === 'mxfp4') {
    return all.flatMap((codes) => {
      const [, name] = /^(.*)_blocks$/.exec(codes.name) ?? [];
      if (name === undefined || codes.dtype !== 'U8') return [];
      return [mxfp4(name, codes, requireScales(tensors, codes, `${name}_scales`, folder), folder)];
    });
  }
  const unread = activationScales(all);
  return all
    .filter(({ dtype }) => dtype === 'F8_E4M3')
    .map((codes) => {
      const scales = requireScales(tensors, codes, `${codes.name}_scale_inv`, folder, `${codes.name}_scale`);
      return fp8(quantization, codes, scales, unread(codes.name), folder);
    });
}

/** Scales of what linears read and write, and of keys, values and queries. */
const ACTIVATION_SCALE = /^(.*\.)(?:input|output|activation|[qkv])_scale(?:_ub)?$/;

/** Gives each name of a weight, asked for once, those that belong to it or to the module that holds it. */
function activationScales(all: readonly Stored[]): (name: string) => string[] {
  const byModule = new Map<string, string[]>();
  for (const { name } of all) {
    const [, module] = ACTIVATION_SCALE.exec(name) ?? [];
    if (module !== undefined) byModule.set(module, [...(byModule.get(module) ?? []), name]);
  }
  return (name) => {
    const modules = [...name.matchAll(/\./g)].map(({ index }) => name.slice(0, index + 1));
    return modules.flatMap((module) => {
      const scales = byModule.get(module) ?? [];
      byModule.delete(module);
      return scales;
    });
  };
}

function fp8(
  quantization: Fp8Quantization,
  codes: Stored,
  scales: Stored,
  unread: readonly string[],
  folder: string,
): EncodedTensors {
  const { name, shape } = codes;
  const [, columns = 0] = shape;
  const { dtype } = scales;
  if (shape.length !== 2) throw wrong(folder, codes, 'is in FP8 and no matrix');
  const block = blockOf(quantization, codes, scales, folder);
  if (dtype !== 'F32' && dtype !== 'BF16' && dtype !== 'F16')
    throw wrong(folder, scales, `is stored as ${dtype}, not F32, BF16 or F16`);
  return {
    name,
    shape,
    storage: codes.dtype,
    codes: name,
    scales: scales.name,
    unread,
    file(locate) {
      const [{ path, offset: start }, place] = [locate(name), locate(scales.name)];
      const { powersOfTwo } = quantization;
      const own = { path: place.path, start: place.offset, dtype, powersOfTwo };
      return { encoding: 'fp8', path, start, columns, block, scales: own };
    },
  };
}

/** Rows and columns that share a scale; a scale a matrix or a row is one of a large block. */
function blockOf(
  { block }: Fp8Quantization,
  codes: Stored,
  scales: Stored,
  folder: string,
): readonly [rows: number, columns: number] {
  const [rows = 0, columns = 0] = codes.shape;
  const grid = block && [Math.ceil(rows / block[0]), Math.ceil(columns / block[1])];
  if (block && scales.shape.join() === grid?.join()) return block;
  if (scales.shape.every((side) => side === 1)) return [Math.max(rows, 1), Math.max(columns, 1)];
  if ([`${rows}`, `${rows},1`].includes(scales.shape.join())) return [1, Math.max(columns, 1)];
  throw otherShape(scales, grid ?? [rows, 1], codes, folder);
}

/** Codes [experts, out, groups, bytes] stand for a tensor [experts, in, out]: it is transposed. */
function mxfp4(name: string, codes: Stored, scales: Stored, folder: string): EncodedTensors {
  const [experts = 0, out = 0, groups = 0, bytes] = codes.shape;
  if (codes.shape.length !== 4 || bytes !== MXFP4_GROUP / 2) {
    throw wrong(folder, codes, `has shape [${codes.shape.join(', ')}], which is none of MXFP4`);
  }
  if (scales.dtype !== 'U8') throw wrong(folder, scales, `is stored as ${scales.dtype}, not U8`);
  requireShape(scales, [experts, out, groups], codes, folder);
  const inputs = groups * MXFP4_GROUP;
  return {
    name,
    shape: [experts, inputs, out],
    storage: 'MXFP4',
    codes: codes.name,
    scales: scales.name,
    unread: [],
    file(locate) {
      const [{ path, offset: start }, place] = [locate(codes.name), locate(scales.name)];
      const own = { path: place.path, start: place.offset };
      return {
        whole: { encoding: 'mxfp4', path, start, scales: own },
        start: 0,
        elementBytes: 4,
        columns: out,
        strides: { offset: 0, run: inputs, runStride: inputs * out, rowStride: 1, columnStride: inputs },
      };
    },
  };
}

/** @param other another name that they may have */
function requireScales(
  tensors: ReadonlyMap<string, Stored>,
  codes: Stored,
  name: string,
  folder: string,
  other?: string,
): Stored {
  const scales = tensors.get(name) ?? tensors.get(other ?? name);
  if (scales) return scales;
  const what = other === undefined ? `${name} is missing` : `${name} is missing, and so is ${other}`;
  throw wrong(folder, codes, `has no scales: ${what}`);
}

function requireShape(scales: Stored, shape: readonly number[], codes: Stored, folder: string): void {
  if (scales.shape.join() !== shape.join()) throw otherShape(scales, shape, codes, folder);
}

function otherShape(scales: Stored, shape: readonly number[], codes: Stored, folder: string): RequestError {
  return wrong(
    folder,
    scales,
    `has shape [${scales.shape.join(', ')}]; [${codes.shape.join(', ')}] of ${codes.name} needs [${shape.join(', ')}]`,
  );
}

function wrong(folder: string, { name }: Stored, what: string): RequestError {
  return new RequestError(`${folder}: tensor ${name} ${what}`);
}
