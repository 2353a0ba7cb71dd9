/** SIGINT and SIGTERM in the middle of writing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, Workplace } from './real-run.js';

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.dispose());

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

/** The bytes of the embedding, in a shard that is complete or not. */
function embedding(folder: string): Buffer {
  for (const file of readdirSync(folder).filter((name) => name.includes('.safetensors'))) {
    const bytes = readFileSync(join(folder, file));
    if (file.endsWith('.json')) continue;
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const entry = JSON.parse(bytes.toString('utf8', 8, start))['model.embed_tokens.weight'];
    if (entry) return bytes.subarray(start + entry.data_offsets[0], start + entry.data_offsets[1]);
  }
  throw new Error(`no embedding in ${folder}`);
}

/** Right before the nth write of a worker to a shard. */
const atWrite = (nth: number, effect: Fault['effect']): Fault[] => [
  { call: 'writeSync', path: '\\.partial$', nth, thread: 'worker', effect },
];

describe.each(SIGNALS)('%s', (signal, code) => {
  it.concurrent('once: what is under way is finished, the run can be resumed', async () => {
    const output = place.output();
    const ended = await place.prune(output, { faults: atWrite(1, { signals: [signal] }) });
    expect(ended).toMatchObject({ code, signal: null, stdout: '' });
    expect(ended.stderr).toContain(`${signal}: finishing what is under way`);
    expect(ended.stderr).toContain('run the same command again');
    // The embedding is written first; when the signal came, nothing of it was.
    expect(embedding(output).equals(embedding(place.model))).toBe(true);
    await place.expectFinishes(output);
  });

  it.concurrent('once, when blocks are finished', async () => {
    const output = place.output();
    const ended = await place.prune(output, { faults: atWrite(20, { signals: [signal] }) });
    expect(ended).toMatchObject({ code, signal: null, stdout: '' });
    await place.expectFinishes(output);
  });

  it.concurrent('twice: at once, though a worker is busy, and still resumable', async () => {
    const output = place.output();
    const started = performance.now();
    const faults = atWrite(4, { signals: ['SIGINT', signal], sleep: 30_000 });
    // Of several workers each would send both.
    const ended = await place.prune(output, { faults, sets: ['resources.workers=1'] });
    expect(ended).toMatchObject({ code, signal: null, stdout: '' });
    expect(performance.now() - started).toBeLessThan(25_000);
    await place.expectFinishes(output);
  });
});
