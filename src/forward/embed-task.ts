/**
 * Worker task: the embeddings of one window's tokens, into the hidden states file.
 * @module
 */
import { RunError } from '../errors.js';
import { scratch } from '../runtime/scratch.js';
import { bytesOf, sourceFile, writeExactly } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, decode } from './float-storage.js';
import type { StoredFloatTensor } from './stored-tensor.js';

export interface EmbedArguments {
  /** [vocabulary, hidden] */
  readonly embedding: StoredFloatTensor;
  readonly tokens: Int32Array;
  readonly path: string;
  readonly offset: number;
}

/** @throws RunError naming the token whose embedding isn't finite */
export async function embedWindow({ embedding, tokens, path, offset }: EmbedArguments): Promise<void> {
  const kernels = freshKernels();
  const file = sourceFile(embedding.path);
  const hidden = embedding.shape[1] ?? 0;
  const rowBytes = hidden * bytesPerElement(embedding.dtype);
  const stored = kernels.arena.allocate(rowBytes);
  const decoded = kernels.arena.allocate(hidden * 4);
  const states = scratch('hidden', tokens.length * hidden);
  for (const [position, token] of tokens.entries()) {
    file.readInto(embedding.offset + token * rowBytes, kernels.u8(stored, rowBytes));
    if (decode(kernels, embedding.dtype, stored, decoded, hidden) >= 0) {
      throw new RunError(
        `${embedding.path}: tensor ${embedding.name} isn't finite in the row of token ${token}`,
      );
    }
    states.set(kernels.f32(decoded, hidden), position * hidden);
  }
  writeExactly(path, offset, bytesOf(states));
}
