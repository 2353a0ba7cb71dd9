/**
 * Taking a lock as soon as nobody else has it.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HeldLock, LockedElsewhere, NoLocks } from './file-lock.js';

/** How often it is looked whether another process has let go. */
const INTERVAL_MS = 200;

export interface WaitForLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once, in words, who has the lock. */
  readonly onWait?: ((who: string) => void) | undefined;
}

/**
 * @param tryLock as `lockFile`
 * @returns undefined where the file system has no locks
 * @throws what `tryLock` throws; the signal's reason when it was aborted
 */
export async function waitForLock(
  tryLock: () => HeldLock | LockedElsewhere | NoLocks,
  { signal, onWait }: WaitForLockOptions,
): Promise<HeldLock | undefined> {
  for (let told = false; ; ) {
    signal?.throwIfAborted();
    const lock = tryLock();
    if (lock.kind === 'held') return lock;
    if (lock.kind === 'unsupported') return undefined;
    if (!told) {
      const { holder } = lock;
      onWait?.(holder ? `process ${holder.pid} on ${holder.host}` : 'another process');
      told = true;
    }
    await sleep(INTERVAL_MS);
  }
}
