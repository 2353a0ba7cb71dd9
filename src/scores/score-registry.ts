/**
 * The scores by name.
 * @module
 */
import { gblm } from './gblm.js';
import { gradient } from './gradient.js';
import { magnitude } from './magnitude.js';
import { obd } from './obd.js';
import { ria } from './ria.js';
import type { Score } from './score.js';
import { wanda } from './wanda.js';
import { wandaPlusPlus } from './wanda-plus-plus.js';

export const scores: readonly Score[] = [magnitude, wanda, ria, obd, gradient, gblm, wandaPlusPlus];

export function scoreByName(name: string): Score {
  const score = scores.find((candidate) => candidate.name === name);
  if (!score) throw new Error(`no score ${name}`);
  return score;
}
