/**
 * Locks that the kernel keeps: they end with the process that holds them, however it ends.
 * @module
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { libc } from './libc.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
/** Errors with which a file system says that it has no locks. */
const NOT_SUPPORTED: ReadonlySet<string> = new Set(['ENOLCK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']);
/** Somebody may remove the file between opening and locking it; who loses this often gives up. */
const ATTEMPTS = 100;

/** The lock is ours until `release` or the end of the process. */
export interface HeldLock {
  readonly kind: 'held';
  /** Lets go of the file, and removes it unless it is to be kept. Calling it again does nothing. */
  release(): void;
}

/** The lock is somebody else's. */
export interface LockedElsewhere {
  readonly kind: 'locked';
  /** As far as the file says; it is written right after the lock is taken. */
  readonly holder: { readonly pid: number; readonly host: string } | undefined;
}

/** Neither the one nor the other can be known here. */
export interface NoLocks {
  readonly kind: 'unsupported';
  readonly reason: string;
}

let flock: ((descriptor: number, operation: number) => number) | undefined;

export interface LockOptions {
  /** Leave the file there when it is released: for other programs, which may wait for it and not look whether it lost its name. */
  readonly keep?: boolean;
}

/**
 * Takes the lock of a file with `flock`, without waiting; the file is created in a folder that exists, and says who
 * holds it. A child process doesn't inherit the lock: Node opens files close-on-exec.
 * @throws the system's error when the file can't be created
 */
export function lockFile(
  path: string,
  { keep: stays = false }: LockOptions = {},
): HeldLock | LockedElsewhere | NoLocks {
  const system = libc();
  if ('unavailable' in system) return { kind: 'unsupported', reason: system.unavailable };
  flock ??= system.library.func('flock', 'int', ['int', 'int']);
  let created = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const opened = openOrCreate(path);
    const { descriptor } = opened;
    created ||= opened.created;
    let keep = false;
    try {
      if (flock(descriptor, LOCK_EX | LOCK_NB) !== 0) {
        const { code } = system.lastError();
        if (code === 'EINTR') continue;
        if (NOT_SUPPORTED.has(code)) {
          // Another's is a lock to programs that go by whether there is such a file.
          if (created || !stays) rmSync(path, { force: true });
          return { kind: 'unsupported', reason: `its file system has no locks (${code})` };
        }
        return { kind: 'locked', holder: readHolder(path) };
      }
      // Who held it before may have removed the file after we opened it.
      if (!isStill(descriptor, path)) continue;
      ftruncateSync(descriptor, 0);
      writeSync(descriptor, `${JSON.stringify({ pid: process.pid, host: hostname() })}\n`);
      keep = true;
      return held(descriptor, path, stays);
    } finally {
      if (!keep) closeSync(descriptor);
    }
  }
  return { kind: 'locked', holder: undefined };
}

function openOrCreate(path: string): { readonly descriptor: number; readonly created: boolean } {
  try {
    return { descriptor: openSync(path, 'ax+'), created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return { descriptor: openSync(path, 'a+'), created: false };
  }
}

function held(descriptor: number, path: string, stays: boolean): HeldLock {
  let released = false;
  return {
    kind: 'held',
    release() {
      if (released) return;
      released = true;
      try {
        // While it is still locked, so that it is certainly ours.
        if (!stays && isStill(descriptor, path)) rmSync(path, { force: true });
      } catch {
        // A file that stays, on a disk that has become read-only, locks nobody out.
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** Whether the open file is the one that has the name. */
function isStill(descriptor: number, path: string): boolean {
  const opened = fstatSync(descriptor, { bigint: true });
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

function readHolder(path: string): LockedElsewhere['holder'] {
  try {
    const { pid, host } = JSON.parse(readFileSync(path, 'utf8'));
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined;
  } catch {
    return undefined;
  }
}
