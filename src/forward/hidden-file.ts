/**
 * Names of the files that hidden states are kept in, in a run's folder.
 * @module
 */
import { join } from 'node:path';

const KINDS = [
  'calibration',
  'dense',
  'allocation',
  'loss',
  'regional',
  'regional-targets',
  'evaluation',
  'experts',
  'gradients-output',
  'gradients-loss',
  'gradients-input',
  'gradients-routing',
  'gradients-routed',
  'gradients-expert',
  'gradients-expert-output',
] as const;

export type HiddenFileKind = (typeof KINDS)[number];

/** The name of any of them. */
export const HIDDEN_FILES = new RegExp(`^(${KINDS.join('|')})(-\\d+)?\\.hidden$`);

/** @param index where there are several of a kind */
export function hiddenFile(folder: string, kind: HiddenFileKind, index?: number): string {
  return join(folder, `${kind}${index === undefined ? '' : `-${index}`}.hidden`);
}
