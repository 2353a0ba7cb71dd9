/**
 * Compares a description with what the checkpoint holds.
 * @module
 */
import { RequestError } from '../errors.js';
import type { ModelDescription, TensorDescription } from './description.js';

/** The floating-point storage that can be read and written. */
export const FLOAT_DTYPES = ['BF16', 'F16', 'F32'] as const;
export type FloatDtype = (typeof FLOAT_DTYPES)[number];

interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Every tensor that the model needs, by full name, in the order of the computation. */
export function requiredTensors(model: ModelDescription): TensorDescription[] {
  const blocks = model.blocks.flatMap((block) =>
    block.tensors.map(({ name, shape }) => ({ name: block.prefix + name, shape })),
  );
  const head = model.head.name === model.embedding.name ? [] : [model.head];
  return [model.embedding, ...blocks, ...model.finalTensors, ...head];
}

/**
 * @throws RequestError naming the first tensor that is missing, has another shape than `config.json` implies,
 * or is stored in a dtype that can't be computed with
 */
export function checkTensors(
  model: ModelDescription,
  stored: ReadonlyMap<string, StoredTensor>,
  folder: string,
): void {
  for (const { name, shape } of requiredTensors(model)) {
    const tensor = stored.get(name);
    if (!tensor) throw new RequestError(`${folder}: tensor ${name} is missing, and config.json implies it`);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
      throw new RequestError(
        `${folder}: tensor ${name} has shape [${tensor.shape.join(', ')}], config.json implies [${shape.join(', ')}]`,
      );
    }
    if (!(FLOAT_DTYPES as readonly string[]).includes(tensor.dtype)) {
      throw new RequestError(
        `${folder}: tensor ${name} is stored as ${tensor.dtype}; supported: ${FLOAT_DTYPES.join(', ')}`,
      );
    }
  }
}
