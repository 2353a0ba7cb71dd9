/**
 * Hidden states as a model would have them in size, if not in meaning.
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HiddenStates } from '../../dist/forward/hidden-states.js';
import { float32View } from '../../dist/system/native-memory.js';
import { NativeMatrices } from './native-matrices.mjs';

let files = 0;

/** Of a name never used before: workers keep files open. */
export function makeStates(folder, windows, tokens, { hiddenSize }, recordBytes) {
  return new HiddenStates(join(folder, `${files++}.hidden`), windows, tokens, hiddenSize, recordBytes);
}

/** Writes random states of every window. */
export function fillStates({ path, windows, tokens, hiddenSize, recordBytes }) {
  const matrices = new NativeMatrices();
  const { address } = matrices.random(tokens, hiddenSize);
  const values = float32View(address, tokens * hiddenSize);
  const descriptor = openSync(path, 'r+');
  try {
    for (let window = 0; window < windows; window++) {
      writeSync(descriptor, values, 0, values.byteLength, window * recordBytes);
    }
  } finally {
    closeSync(descriptor);
    matrices.free();
  }
}
