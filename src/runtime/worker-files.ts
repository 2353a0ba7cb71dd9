/**
 * Files that a worker thread keeps open between tasks.
 * @module
 */
import { openSync, readSync, writeSync } from 'node:fs';
import { type ByteSource, openByteSource } from '../checkpoint/byte-source.js';
import { fileError } from '../checkpoint/file-error.js';
import { RunError } from '../errors.js';
import { writing } from './pool-data.js';
import { filePath, type TensorFile } from './tensor-file.js';
import { readView, writeView } from './view-bytes.js';

const sources = new Map<string, ByteSource>();
const descriptors = new Map<string, number>();

/** The bytes of a tensor in a source checkpoint's shard, which is opened read-only on first use. */
export function sourceFile(file: TensorFile): Pick<ByteSource, 'readInto'> {
  const source = shard(filePath(file));
  if (typeof file === 'string') return source;
  return { readInto: (offset, target) => readView(file, offset, target, source.readInto) };
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
export function writeExactly(file: TensorFile, offset: number, data: Uint8Array): void {
  const path = filePath(file);
  if (typeof file !== 'string') {
    writeView(file, offset, data, {
      read: (position, target) => readExactly(path, position, target),
      write: (position, piece) => writeExactly(path, position, piece),
      alone: (work) => writing.hold(work),
    });
    return;
  }
  try {
    for (let done = 0; done < data.byteLength; ) {
      done += writeSync(descriptor(path), data, done, data.byteLength - done, offset + done);
    }
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}
