/**
 * Text files on the disk.
 * @module
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { RequestError } from '../errors.js';
import type { RangeReader, TextFile } from './text-file.js';

const chunkBytes = 2 ** 18;

/** A column's pages have about a megabyte each. */
const stepBytes = 2 ** 20;

/** The file at `path`; opening it is what finds out whether it is there. */
export function localTextFile(path: string): TextFile {
  return { name: path, chunks: () => readChunks(path), openRanges: () => openRanges(path) };
}

function cannotRead(path: string, cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new RequestError(`${path}: no such file`, { cause });
  if (cause instanceof RequestError || code === undefined) return cause;
  return new RequestError(`${path}: cannot be read: ${message}`, { cause });
}

/** @throws RequestError for what is no file, without opening it: a named pipe would wait for a writer, a device has no end */
export async function requireRegular(path: string): Promise<void> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new RequestError(`${path}: a folder, not a text file`);
    if (!status.isFile()) throw new RequestError(`${path}: not a regular file`);
  } catch (cause) {
    throw cannotRead(path, cause);
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  await requireRegular(path);
  try {
    return await open(path);
  } catch (cause) {
    throw cannotRead(path, cause);
  }
}

/** Fills `target` from `offset` on. @returns how many bytes there were */
async function fill(path: string, file: FileHandle, target: Uint8Array, offset: number): Promise<number> {
  try {
    for (let done = 0; ; ) {
      const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
      done += bytesRead;
      if (bytesRead === 0 || done === target.length) return done;
    }
  } catch (cause) {
    throw cannotRead(path, cause);
  }
}

async function* readChunks(path: string): AsyncGenerator<Uint8Array> {
  const file = await openRegular(path);
  try {
    for (let offset = 0; ; ) {
      const chunk = new Uint8Array(chunkBytes);
      const length = await fill(path, file, chunk, offset);
      if (length > 0) yield chunk.subarray(0, length);
      if (length < chunkBytes) return;
      offset += length;
    }
  } finally {
    await file.close();
  }
}

async function openRanges(path: string): Promise<RangeReader> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    return {
      size,
      step: stepBytes,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        if ((await fill(path, file, bytes, offset)) < length)
          throw new RequestError(`${path}: it became shorter while it was being read`);
        return bytes;
      },
      close: () => file.close(),
    };
  } catch (cause) {
    await file.close();
    throw cannotRead(path, cause);
  }
}
