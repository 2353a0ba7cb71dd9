/**
 * What the worker threads of a pool share.
 * @module
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { OpenSessions } from './open-sessions.js';
import { SharedLock } from './shared-lock.js';

/** What a worker is given of its pool. */
export interface WorkerPoolData {
  readonly sessions: SharedArrayBuffer;
  /** Held while bytes are written together with others that lie between them. */
  readonly writing: SharedArrayBuffer;
}

/** Of the pool that this thread is a worker of. */
const given = isMainThread ? undefined : (workerData as Partial<WorkerPoolData> | null);

/** Where this thread's sessions are noted down, if it is a worker of a pool. */
export const openSessions: OpenSessions | undefined =
  given?.sessions instanceof SharedArrayBuffer ? new OpenSessions(given.sessions) : undefined;

/** A thread of no pool writes alone. */
export const writing: SharedLock =
  given?.writing instanceof SharedArrayBuffer ? new SharedLock(given.writing) : new SharedLock();
