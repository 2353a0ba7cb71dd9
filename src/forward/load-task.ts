/**
 * Worker task: a stored tensor into native f32 memory.
 * @module
 */
import { RunError } from '../errors.js';
import { filePath } from '../runtime/tensor-file.js';
import { float32View } from '../system/native-memory.js';
import { readElements, type StoredElements } from './read-elements.js';

export interface LoadArguments extends StoredElements {
  /** Of the tensor, for messages. */
  readonly name: string;
  /** Index of the first element within its tensor, for messages. */
  readonly firstIndex: number;
  readonly target: bigint;
}

/** @throws RunError naming tensor and index of the first weight that isn't finite */
export function loadElements(args: LoadArguments): void {
  const output = float32View(args.target, args.elements);
  const bad = readElements(args, (chunk, start) => output.set(chunk, start));
  if (bad) {
    const index = args.firstIndex + bad.index;
    throw new RunError(`${filePath(args.file)}: tensor ${args.name} holds ${bad.value} at index ${index}`);
  }
}
