/** Hidden states for tests. @module */
import { readFileSync, writeFileSync } from 'node:fs';
import type { HiddenStates } from '../../src/forward/hidden-states.js';

/** Puts windows [windows, tokens, hidden] into a file of states, and returns it. */
export function fillStates(states: HiddenStates, input: Float32Array, hidden: number): HiddenStates {
  const bytes = readFileSync(states.path);
  const width = states.tokens * hidden;
  for (let window = 0; window < states.windows; window++) {
    const record = input.slice(window * width, (window + 1) * width);
    bytes.set(new Uint8Array(record.buffer), states.offset(window));
  }
  writeFileSync(states.path, bytes);
  return states;
}
