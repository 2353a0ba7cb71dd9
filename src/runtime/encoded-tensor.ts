/**
 * Tensors of codes and scales, read and written as if they were files of f32. Used inside workers.
 * @module
 */
import { RunError } from '../errors.js';
import { fp8Codec } from './fp8-codec.js';
import { type Kernels, loadKernels } from './kernels.js';
import { mxfp4Codec } from './mxfp4-codec.js';
import type { EncodedTensor } from './tensor-file.js';

/** Fills an array from a place in a file. */
export type ReadBytes = (path: string, offset: number, target: Uint8Array) => void;
/** Puts an array to a place in a file. */
export type WriteBytes = (path: string, offset: number, data: Uint8Array) => void;

/** How codes and f32 become each other; elements are counted from the first of the tensor. */
export interface Codec<Tensor> {
  /** Decodes n elements to a place in the kernels' memory. */
  decode(kernels: Kernels, tensor: Tensor, elements: Elements, read: ReadBytes): void;
  /** Encodes n elements with the scales that are there. Returns the first that no code stands for, or −1. */
  encode(kernels: Kernels, tensor: Tensor, elements: Elements, read: ReadBytes, write: WriteBytes): number;
  /** Replaces the scales that are too small for values which fill whole blocks. */
  widen(
    kernels: Kernels,
    tensor: Tensor,
    first: number,
    values: Float32Array,
    read: ReadBytes,
    write: WriteBytes,
  ): void;
}

export interface Elements {
  readonly first: number;
  readonly n: number;
  /** Of their f32 in the kernels' memory. */
  readonly plain: number;
}

/** Elements that pass through the kernels' memory at a time: few enough to stay in a core's cache. */
const CHUNK_ELEMENTS = 32_768;

const codecs = { fp8: fp8Codec, mxfp4: mxfp4Codec };

function codecOf({ encoding }: EncodedTensor): Codec<EncodedTensor> {
  return codecs[encoding] as Codec<EncodedTensor>;
}

let instance: Kernels | undefined;

/** Kernels of their own: growing their memory must not move the arrays of those who read and write. */
function codecKernels(): Kernels {
  instance ??= loadKernels();
  instance.arena.reset();
  return instance;
}

/** Fills `target` with f32 from a tensor's byte `offset` on. */
export function readEncoded(
  tensor: EncodedTensor,
  offset: number,
  target: Uint8Array,
  read: ReadBytes,
): void {
  const kernels = codecKernels();
  forEachChunk(tensor, kernels, offset, target.byteLength, (elements, start) => {
    codecOf(tensor).decode(kernels, tensor, elements, read);
    target.set(kernels.u8(elements.plain, elements.n * 4), start);
  });
}

/**
 * Rounds f32 to codes, from a tensor's byte `offset` on, with the scales that it has.
 *
 * @throws RunError naming the file and the index of a value that is too large for its scale
 */
export function writeEncoded(
  tensor: EncodedTensor,
  offset: number,
  data: Uint8Array,
  read: ReadBytes,
  write: WriteBytes,
): void {
  const kernels = codecKernels();
  forEachChunk(tensor, kernels, offset, data.byteLength, (elements, start) => {
    const { first, n, plain } = elements;
    kernels.u8(plain, n * 4).set(data.subarray(start, start + n * 4));
    const unfit = codecOf(tensor).encode(kernels, tensor, elements, read, write);
    if (unfit < 0) return;
    const value = kernels.f32(plain + unfit * 4, 1)[0];
    throw new RunError(
      `${tensor.path}: no ${tensor.encoding} code stands for ${value} at index ${first + unfit}`,
    );
  });
}

/**
 * Replaces the scales that are too small for some values, so that the largest of a block gets the largest code.
 *
 * @param values all that lie in the blocks they touch, from element `first` on
 */
export function widenScales(
  tensor: EncodedTensor,
  first: number,
  values: Float32Array,
  read: ReadBytes,
  write: WriteBytes,
): void {
  codecOf(tensor).widen(codecKernels(), tensor, first, values, read, write);
}

function forEachChunk(
  { path }: EncodedTensor,
  kernels: Kernels,
  offset: number,
  bytes: number,
  use: (elements: Elements, start: number) => void,
): void {
  if (offset % 4 !== 0 || bytes % 4 !== 0) {
    throw new RangeError(`${bytes} bytes from ${offset} on are no whole elements of ${path}`);
  }
  const plain = kernels.arena.allocate(CHUNK_ELEMENTS * 4);
  const [first, elements] = [offset / 4, bytes / 4];
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const n = Math.min(CHUNK_ELEMENTS, elements - start);
    use({ first: first + start, n, plain }, start * 4);
  }
}
