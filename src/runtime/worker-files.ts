/**
 * Files that a worker thread keeps open between tasks.
 * @module
 */
import { openSync, readSync, writeSync } from 'node:fs';
import { type ByteSource, openByteSource } from '../checkpoint/byte-source.js';
import { fileError } from '../checkpoint/file-error.js';
import { RunError } from '../errors.js';
import { readEncoded, widenScales, writeEncoded } from './encoded-tensor.js';
import type { EncodedTensor, TensorFile } from './tensor-file.js';
import { type ByteRange, bandReader, bandWriter, isTransposed } from './view-bands.js';
import { readView, rowPieces, writeView } from './view-bytes.js';

const sources = new Map<string, ByteSource>();
const descriptors = new Map<string, number>();

/**
 * The bytes of a tensor in a source checkpoint's shard, which is opened read-only on first use.
 *
 * @param within what will be read, in order; a thread reads one range at a time
 */
export function sourceFile(file: TensorFile, within: ByteRange): Pick<ByteSource, 'readInto'> {
  if (typeof file === 'string' || 'encoding' in file) return wholeSource(file);
  const { readInto } = wholeSource(file.whole);
  if (isTransposed(file)) return { readInto: bandReader(file, within, readInto) };
  return { readInto: (offset, target) => readView(file, offset, target, readInto) };
}

function wholeSource(file: string | EncodedTensor): Pick<ByteSource, 'readInto'> {
  if (typeof file === 'string') return shard(file);
  const read = (path: string, offset: number, target: Uint8Array) => shard(path).readInto(offset, target);
  return { readInto: (offset, target) => readEncoded(file, offset, target, read) };
}

/**
 * Takes the bytes of a tensor in a shard that is being written, rounded where it is encoded.
 *
 * @param within what will be written, all of it and in order; a thread writes one range at a time
 * @throws RequestError or RunError naming the file when the disk is full or fails, or a value is too large for its scale
 */
export function targetFile(file: TensorFile, within: ByteRange): (offset: number, data: Uint8Array) => void {
  if (typeof file === 'string' || 'encoding' in file) return wholeTarget(file);
  const { whole } = file;
  const write = wholeTarget(whole);
  const read = (offset: number, target: Uint8Array) =>
    typeof whole === 'string'
      ? readExactly(whole, offset, target)
      : readEncoded(whole, offset, target, readExactly);
  if (isTransposed(file)) return bandWriter(file, within, write, read);
  return (offset, data) => writeView(file, offset, data, write, read);
}

function wholeTarget(file: string | EncodedTensor): (offset: number, data: Uint8Array) => void {
  if (typeof file === 'string') return (offset, data) => writeExactly(file, offset, data);
  return (offset, data) => writeEncoded(file, offset, data, readExactly, writeExactly);
}

function shard(path: string): ByteSource {
  let source = sources.get(path);
  if (!source) {
    source = openByteSource(path);
    sources.set(path, source);
  }
  return source;
}

function descriptor(path: string): number {
  let fd = descriptors.get(path);
  if (fd === undefined) {
    fd = openSync(path, 'r+');
    descriptors.set(path, fd);
  }
  return fd;
}

/** The memory of an array, to be read into or written. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Fills `target` from a file of ours. @throws RunError naming the file when it ends too soon or can't be read */
export function readExactly(path: string, offset: number, target: Uint8Array): void {
  try {
    for (let done = 0; done < target.byteLength; ) {
      const count = readSync(descriptor(path), target, done, target.byteLength - done, offset + done);
      if (count === 0) throw new RunError(`${path} ends before byte ${offset + target.byteLength}`);
      done += count;
    }
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Writes all of `data` at `offset`. @throws RequestError or RunError naming the file when the disk is full or fails */
export function writeExactly(path: string, offset: number, data: Uint8Array): void {
  try {
    for (let done = 0; done < data.byteLength; ) {
      done += writeSync(descriptor(path), data, done, data.byteLength - done, offset + done);
    }
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

/** Makes the scales of an encoded tensor, or of a part of one, large enough for values that are to be written at `offset`. */
export function fitScales(file: TensorFile, offset: number, values: Float32Array): void {
  if (typeof file === 'string') return;
  if ('encoding' in file) {
    widenScales(file, offset / 4, values, readExactly, writeExactly);
    return;
  }
  for (const { position, count, index } of rowPieces(file, offset / 4, values.length)) {
    fitScales(file.whole, position, values.subarray(index, index + count));
  }
}
