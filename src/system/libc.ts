/**
 * The C library through koffi, for what the operating system gives that Node has no function for.
 * @module
 */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { RequestError } from '../errors.js';

/** koffi, and the symbols of this process: the C library's among them. */
export interface Libc {
  readonly koffi: typeof Koffi;
  readonly library: Koffi.LibraryHandle;
  /** The error of the last call on this thread. */
  lastError(): SystemError;
}

/** An `errno` value and the name the system gives it (`ENOSPC`). */
export interface SystemError {
  readonly errno: number;
  readonly code: string;
}

export interface Unavailable {
  /** Why. */
  readonly unavailable: string;
}

let loaded: Libc | Unavailable | undefined;

/** The C library, or why it can't be had here. Loaded at first use, once a thread. */
export function libc(): Libc | Unavailable {
  loaded ??= load();
  return loaded;
}

/** @throws RequestError where the C library can't be had */
export function requireLibc(): Libc {
  const found = libc();
  if ('unavailable' in found) {
    throw new RequestError(
      `pruning and evaluation need memory that worker threads share: ${found.unavailable}`,
    );
  }
  return found;
}

function load(): Libc | Unavailable {
  if (process.platform !== 'linux' && process.platform !== 'darwin')
    return { unavailable: `${process.platform} is not supported` };
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    if (koffi.sizeof('void *') !== 8) return { unavailable: 'a 64-bit system is needed' };
    const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
    return {
      koffi,
      library: koffi.load(null),
      lastError: () => {
        const errno = koffi.errno();
        return { errno, code: names.get(errno) ?? `errno ${errno}` };
      },
    };
  } catch (error) {
    return { unavailable: `koffi can't be used: ${error instanceof Error ? error.message : String(error)}` };
  }
}
