/**
 * Ending the process without waiting for its threads.
 * @module
 */
import { libc } from './libc.js';

/**
 * Ends the process at once. `process.exit` waits for worker threads, and those for the computation they are in.
 */
export function exitNow(code: number): never {
  const system = libc();
  if (!('unavailable' in system)) system.library.func('_exit', 'void', ['int'])(code);
  process.exit(code);
}
