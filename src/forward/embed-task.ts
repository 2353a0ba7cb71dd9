/**
 * Worker task: the embeddings of one window's tokens, into the hidden states file.
 * @module
 */
import { RunError } from '../errors.js';
import { HIDDEN_INPUT } from '../graph/block-scope.js';
import { HIDDEN_OUTPUT } from '../graph/logits-graph.js';
import { elementCount } from '../graph/value.js';
import type { GraphRef } from '../runtime/compiled-graph.js';
import { runGraph } from '../runtime/run-graph.js';
import { scratch } from '../runtime/scratch.js';
import { filePath } from '../runtime/tensor-file.js';
import { arrayTensor, type TensorRef } from '../runtime/tensor-ref.js';
import { bytesOf, sourceFile, writeExactly } from '../runtime/worker-files.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { bytesPerElement, decode } from './float-storage.js';
import type { StoredFloatTensor } from './stored-tensor.js';

export interface EmbedArguments {
  /** [vocabulary, hidden] */
  readonly embedding: StoredFloatTensor;
  /** What the rows of the embedding go through. */
  readonly stage?:
    | {
        readonly graph: GraphRef;
        readonly weights: Readonly<Record<string, TensorRef>>;
        /** Of what it gives. */
        readonly features: number;
      }
    | undefined;
  readonly tokens: Int32Array;
  readonly path: string;
  readonly offset: number;
}

/** @throws RunError naming the token whose embedding isn't finite */
export async function embedWindow(args: EmbedArguments): Promise<void> {
  const { embedding, stage, tokens, path, offset } = args;
  const kernels = freshKernels();
  const file = sourceFile(embedding.file, {
    offset: embedding.offset,
    bytes: elementCount(embedding.shape) * bytesPerElement(embedding.dtype),
  });
  const hidden = embedding.shape[1] ?? 0;
  const rowBytes = hidden * bytesPerElement(embedding.dtype);
  const stored = kernels.arena.allocate(rowBytes);
  const decoded = kernels.arena.allocate(hidden * 4);
  const states = scratch('hidden', tokens.length * hidden);
  for (const [position, token] of tokens.entries()) {
    file.readInto(embedding.offset + token * rowBytes, kernels.u8(stored, rowBytes));
    if (decode(kernels, embedding.dtype, stored, decoded, hidden) >= 0) {
      throw new RunError(
        `${filePath(embedding.file)}: tensor ${embedding.name} isn't finite in the row of token ${token}`,
      );
    }
    states.set(kernels.f32(decoded, hidden), position * hidden);
  }
  if (!stage) {
    writeExactly(path, offset, bytesOf(states));
    return;
  }
  const given = scratch('opened', tokens.length * stage.features);
  runGraph(
    stage.graph,
    { ...stage.weights, [HIDDEN_INPUT]: arrayTensor(states, [tokens.length, hidden]) },
    { [HIDDEN_OUTPUT]: arrayTensor(given, [tokens.length, stage.features]) },
  );
  writeExactly(path, offset, bytesOf(given));
}
