/**
 * How much memory a worker's onnxruntime sessions keep between runs.
 * @module
 */

/** What sessions may keep for values on the way, all together; a single one may need more. */
export const KEPT_BYTES = 32e6;

/** What a worker keeps after running all of these, given what each would keep. */
export function keptBytes(sessions: readonly number[]): number {
  const sum = sessions.reduce((total, bytes) => total + bytes, 0);
  return Math.min(sum, Math.max(KEPT_BYTES, ...sessions));
}
