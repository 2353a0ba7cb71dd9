/**
 * Files that appear under their final name only when they are complete and on the disk.
 * @module
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from './file-error.js';

const COPY_CHUNK_BYTES = 1 << 20;

/** Flushes a folder's entries to the disk, so that a rename in it outlives a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, 'sync', folder);
  }
}

/** Flushes a file's data to the disk, whoever wrote it. */
export async function syncFile(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, 'sync', path);
  }
}

/** Renames a complete and synced file to its final name in the same folder and syncs the folder. */
export async function publishFile(temporary: string, path: string): Promise<void> {
  try {
    await rename(temporary, path);
  } catch (error) {
    throw fileError(error, 'write', path);
  }
  await syncFolder(dirname(path));
}

/** Fills `${path}.tmp` with `fill`, then gives it its name. On an error the temporary file is removed. */
async function replaceFile(path: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publishFile(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(error, 'write', path);
  }
}

/**
 * Writes a whole file: temporary file `${path}.tmp`, fsync, rename, fsync of the folder. A reader sees the old
 * content or the new, never a part. One writer at a time for one path.
 * @throws RequestError when the folder is missing, not writable or full; RunError on other I/O errors
 */
export async function writeFileAtomically(path: string, data: string | Uint8Array): Promise<void> {
  await replaceFile(path, (handle) => handle.writeFile(data));
}

/**
 * Copies a file's content in chunks (links are followed, the mode is not copied), as `writeFileAtomically` does.
 * @throws RequestError when a path is missing, not permitted or the disk is full; RunError on other I/O errors
 */
export async function copyFileAtomically(from: string, to: string): Promise<void> {
  let source: FileHandle;
  try {
    source = await open(from, 'r');
  } catch (error) {
    throw fileError(error, 'read', from);
  }
  try {
    await replaceFile(to, async (target) => {
      const buffer = new Uint8Array(COPY_CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await source
          .read(buffer, 0, buffer.byteLength, null)
          .catch((error: unknown) => {
            throw fileError(error, 'read', from);
          });
        if (bytesRead === 0) break;
        for (let written = 0; written < bytesRead; ) {
          const { bytesWritten } = await target.write(buffer, written, bytesRead - written, null);
          written += bytesWritten;
        }
      }
    });
  } finally {
    await source.close();
  }
}
