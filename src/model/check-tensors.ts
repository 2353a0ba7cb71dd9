/**
 * Compares a description with what the checkpoint holds.
 * @module
 */
import { RequestError } from '../errors.js';
import {
  type BlockDescription,
  type ModelDescription,
  type TensorDescription,
  unitsOf,
} from './description.js';

/** The floating-point storage that can be read and written. */
export const FLOAT_DTYPES = ['BF16', 'F16', 'F32'] as const;
export type FloatDtype = (typeof FLOAT_DTYPES)[number];

interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** Every tensor of the description, by full name, in the order of the computation. */
export function describedTensors(model: ModelDescription): TensorDescription[] {
  return [...inOrder(model)];
}

/** The same one by one, since a model may be described that no checkpoint holds. */
function* inOrder(model: ModelDescription): Generator<TensorDescription> {
  const { embedding, opening, closing, head, headBias } = model;
  yield embedding;
  yield* opening?.tensors ?? [];
  for (const block of model.blocks) {
    for (const unit of unitsOf(block)) {
      for (const tensor of unit.tensors) yield inBlock(unit, tensor);
    }
  }
  yield* closing.tensors;
  if (head.name !== embedding.name) yield head;
  if (headBias) yield headBias;
}

/** The same tensor by its full name. */
function inBlock(
  { prefix, wholePrefix = prefix }: BlockDescription,
  { name, shape, stored }: TensorDescription,
): TensorDescription {
  return {
    name: prefix + name,
    shape,
    stored: stored && { ...stored, tensor: wholePrefix + stored.tensor },
  };
}

/** Name of the tensor in the checkpoint. */
export function storedName({ name, stored }: TensorDescription): string {
  return stored?.tensor ?? name;
}

/** Names of the tensors in the checkpoint that a block is made of, or a unit of one; experts are units of their own. */
export function storedNames(block: BlockDescription): string[] {
  return [...new Set(block.tensors.map((tensor) => storedName(inBlock(block, tensor))))];
}

/** Every tensor that the checkpoint must have, by full name, in the order of the computation. */
export function requiredTensors(model: ModelDescription): TensorDescription[] {
  return [
    ...new Map(describedTensors(model).map((tensor) => [storedName(tensor), asStored(tensor)])).values(),
  ];
}

function asStored(tensor: TensorDescription): TensorDescription {
  return { name: storedName(tensor), shape: tensor.stored?.shape ?? tensor.shape };
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
  for (const described of inOrder(model)) {
    const { name, shape } = asStored(described);
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
