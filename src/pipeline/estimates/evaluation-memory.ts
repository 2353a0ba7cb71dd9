/**
 * Memory of the evaluations, before and after.
 * @module
 */
import { evaluationSets } from '../evaluation-stage.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { logitsSessions } from './head-sessions.js';
import type { StageMemory } from './stage-memory.js';
import { wholeWindowNeeds } from './window-needs.js';

export function evaluationMemory(run: PreparedRun): StageMemory {
  const sets = Object.values(evaluationSets(run)).filter((set) => set !== null);
  const needs = sets.map(({ tokens }) => wholeWindowNeeds(run, tokens));
  const [first] = sets;
  const most = Math.max(0, ...sets.map(({ windows, tokens }) => windows * tokens));
  return {
    buffers: Math.max(0, ...needs.map(({ buffers }) => buffers)),
    moments({ logitTokens }, { process, activations, routing, weights }) {
      if (!first) return [];
      const sessions = needs.flatMap((each) => each.sessions);
      const head = logitsSessions(run, first.tokens, logitTokens);
      const parts = [process('evaluating'), weights, activations([...sessions, ...head]), routing(most)];
      return [{ moment: 'evaluating', parts }];
    },
  };
}
