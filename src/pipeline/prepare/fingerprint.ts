/**
 * What decides the weights of a run, so that a run is only gone on with when it is the same one.
 * @module
 */
import { createHash } from 'node:crypto';
import type { EvaluationSets } from '../evaluation-stage.js';

/** Named parts, so that a difference can be told by name. */
export type FingerprintParts = Readonly<Record<string, unknown>>;

/** The part that says what the shards hold: by file name, what `sampleWeights` makes of them. */
export const SOURCE_WEIGHTS = 'source weights';

/** SHA-256 (hex) over the parts. */
export function fingerprint(parts: FingerprintParts): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Names of the parts in which two runs differ. */
export function fingerprintDifferences(a: FingerprintParts, b: FingerprintParts): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}

/** SHA-256 (hex) over the windows that are evaluated; undefined when there are none. */
export function evaluationFingerprint({ heldOut, calibration }: EvaluationSets): string | undefined {
  if (!heldOut) return undefined;
  const hash = createHash('sha256');
  for (const set of [heldOut, calibration]) {
    hash.update(JSON.stringify([set?.windows, set?.tokens]));
    if (set) hash.update(new Uint8Array(set.ids.buffer, set.ids.byteOffset, set.ids.byteLength));
  }
  return hash.digest('hex');
}
