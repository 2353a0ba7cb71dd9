/** Checkpoints of golden data, and what transformers computes with them. @module */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { elementCount } from '../../src/graph/value.js';
import { describedTensors, storedName } from '../../src/model/check-tensors.js';
import type { ModelDescription, TensorDescription } from '../../src/model/description.js';

function halfToFloat(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** All finite floating-point tensors of a small file, as f32. */
export function readFloats(path: string): Map<string, Float32Array> {
  const file = readFileSync(path);
  return new Map(
    [...readSafetensorsHeader(path).tensors].flatMap(([name, { dtype, offset, bytes }]) => {
      const buffer = file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + bytes);
      if (dtype === 'F32') return [[name, new Float32Array(buffer)]];
      if (dtype === 'F16') return [[name, Float32Array.from(new Uint16Array(buffer), halfToFloat)]];
      if (dtype !== 'BF16') return [];
      const bits = Uint32Array.from(new Uint16Array(buffer), (half) => half * 65_536);
      return [[name, new Float32Array(bits.buffer)]];
    }),
  );
}

/** The described tensor out of the stored one, element by element as `Placement` says. */
function placed({ shape, stored }: TensorDescription, whole: Float32Array): Float32Array {
  if (!stored) return whole;
  const columns = shape[1] ?? 1;
  const { offset, run, runStride, rowStride, columnStride } = stored;
  return Float32Array.from({ length: elementCount(shape) }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const inRun = Math.floor(row / run) * runStride + (row % run) * rowStride;
    return whole[offset + inRun + column * columnStride] as number;
  });
}

export interface GoldenModel {
  readonly model: ModelDescription;
  readonly ids: Int32Array;
  /** Described tensors by full name. */
  weight(name: string): Float32Array;
  /** Gradients of the same. */
  gradient(name: string): Float32Array;
  expected(name: string): Float32Array;
}

/** A model's tensors in files of its checkpoint, by full names. */
export type TensorsOf = (...files: string[]) => (name: string) => Float32Array;

export async function describedModel(
  folder: string,
): Promise<{ readonly model: ModelDescription; readonly named: TensorsOf }> {
  const { model } = checkpointModel(await openCheckpoint(folder));
  const described = new Map(describedTensors(model).map((tensor) => [tensor.name, tensor]));
  const named: TensorsOf = (...files) => {
    const tensors = new Map(files.flatMap((file) => [...readFloats(join(folder, file))]));
    return (name) => {
      const tensor = described.get(name) ?? { name, shape: [] };
      const whole = tensors.get(storedName(tensor));
      if (!whole) throw new Error(`${files.join(', ')}: no ${storedName(tensor)}`);
      return placed(tensor, whole);
    };
  };
  return { model, named };
}

export async function goldenModel(folder: string): Promise<GoldenModel> {
  const { model, named } = await describedModel(folder);
  const expected = join(folder, 'expected.safetensors');
  const { offset, bytes } = readSafetensorsHeader(expected).tensors.get('input_ids') ?? {
    offset: 0,
    bytes: 0,
  };
  const file = readFileSync(expected);
  const ids = new BigInt64Array(
    file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + bytes),
  );
  return {
    model,
    ids: Int32Array.from(ids, Number),
    weight: named(...readdirSync(folder).filter((file) => /^model.*\.safetensors$/.test(file))),
    gradient: named('gradients.safetensors'),
    expected: named('expected.safetensors'),
  };
}
