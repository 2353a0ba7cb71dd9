/**
 * Files that a worker thread reads and writes, kept open between tasks.
 * @module
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { type ByteSource, openByteSource } from '../checkpoint/byte-source.js';
import { fileError } from '../checkpoint/file-error.js';
import { RunError } from '../errors.js';
import { readEncoded, widenScales, writeEncoded } from './encoded-tensor.js';
import { KeptFiles } from './kept-files.js';
import type { EncodedTensor, TensorFile } from './tensor-file.js';
import { type ByteRange, bandReader, bandWriter, isTransposed } from './view-bands.js';
import { readView, rowPieces, writeView } from './view-bytes.js';

const sources = new KeptFiles(openByteSource, (source) => source.close());
const descriptors = new KeptFiles((path) => openSync(path, 'r+'), closeSync);

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
  const read =
    typeof whole === 'string'
      ? ownFile(whole).read
      : (offset: number, target: Uint8Array) => readEncoded(whole, offset, target, readExactly);
  if (isTransposed(file)) return bandWriter(file, within, write, read);
  return (offset, data) => writeView(file, offset, data, write, read);
}

function wholeTarget(file: string | EncodedTensor): (offset: number, data: Uint8Array) => void {
  if (typeof file === 'string') return ownFile(file).write;
  return (offset, data) => writeEncoded(file, offset, data, readExactly, writeExactly);
}

function shard(path: string): ByteSource {
  return naming('read', path, () => sources.at(path));
}

/** The memory of an array, to be read into or written. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Places in a file of ours. Both throw RequestError or RunError naming the file when the disk is full or fails. */
export interface OwnFile {
  /** Fills `target`; a file that ends too soon is a RunError. */
  read(offset: number, target: Uint8Array): void;
  /** Writes all of `data`. */
  write(offset: number, data: Uint8Array): void;
}

/**
 * The file that `path` leads to now, which lasts as long as a task: nothing takes its place while one works with it.
 *
 * @throws RequestError or RunError naming the file when it can't be opened
 */
export function ownFile(path: string): OwnFile {
  const descriptor = naming('open', path, () => descriptors.at(path));
  return {
    read(offset, target) {
      naming('read', path, () => {
        for (let done = 0; done < target.byteLength; ) {
          const count = readSync(descriptor, target, done, target.byteLength - done, offset + done);
          if (count === 0) throw new RunError(`${path} ends before byte ${offset + target.byteLength}`);
          done += count;
        }
      });
    },
    write(offset, data) {
      naming('write', path, () => {
        for (let done = 0; done < data.byteLength; ) {
          done += writeSync(descriptor, data, done, data.byteLength - done, offset + done);
        }
      });
    },
  };
}

/** Fills `target` from a file of ours. @throws as `ownFile` and its `read` */
export function readExactly(path: string, offset: number, target: Uint8Array): void {
  ownFile(path).read(offset, target);
}

/** Writes all of `data` at `offset` of a file of ours. @throws as `ownFile` and its `write` */
export function writeExactly(path: string, offset: number, data: Uint8Array): void {
  ownFile(path).write(offset, data);
}

function naming<T>(doing: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(error, doing, path);
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
