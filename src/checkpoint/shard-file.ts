/**
 * Creating the temporary files that shards are written into.
 * @module
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { RequestError } from '../errors.js';
import { allocateFile } from '../system/allocate-file.js';
import { fileError } from './file-error.js';
import { freeBytes } from './free-bytes.js';
import type { PlannedShard } from './shard-plan.js';

/** Whether `path` is a file of the planned size that begins with the planned header. */
export function matchesPlan(path: string, shard: PlannedShard): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fileError(error, 'read', path);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size !== shard.size) return false;
    const found = new Uint8Array(shard.header.byteLength);
    for (let done = 0; done < found.byteLength; ) {
      const read = readSync(descriptor, found, done, found.byteLength - done, done);
      if (read === 0) return false;
      done += read;
    }
    return Buffer.compare(found, shard.header) === 0;
  } catch (error) {
    throw fileError(error, 'read', path);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Creates (or empties) a file of the shard's full size with its header written and, where the file system can,
 * its blocks reserved.
 * @throws RequestError naming the path and the bytes needed when there is no space or no permission
 */
export function createShardFile(path: string, shard: PlannedShard): void {
  try {
    const descriptor = openSync(path, 'w');
    try {
      reserve(descriptor, path, shard.size);
      ftruncateSync(descriptor, shard.size);
      for (let done = 0; done < shard.header.byteLength; )
        done += writeSync(descriptor, shard.header, done, shard.header.byteLength - done, done);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw fileError(error, `write ${shard.size} bytes to`, path);
  }
}

function reserve(descriptor: number, path: string, bytes: number): void {
  const error = allocateFile(descriptor, bytes);
  if (error === undefined) return;
  throw fileError(
    Object.assign(new Error(error.code), { code: error.code }),
    `write ${bytes} bytes to`,
    path,
  );
}

/**
 * Refuses when the file system says that it has less than `bytes` free.
 * @throws RequestError naming the folder, the bytes needed and the bytes free
 */
export function requireSpace(folder: string, bytes: number): void {
  const free = freeBytes(folder);
  if (free !== undefined && bytes > free)
    throw new RequestError(`cannot write to ${folder}: ${bytes} bytes are needed but only ${free} are free`);
}
