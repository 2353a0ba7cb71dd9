/** A source that is changed, copied or touched under an unfinished run. */
import { cpSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { prune, RequestError } from '../../src/index.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { Workplace } from './real-run.js';

const SHARD = 'model-00002-of-00002.safetensors';

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.dispose());

/** An output whose run was stopped after its first block. */
async function unfinished(): Promise<string> {
  const output = place.output();
  await pruneUntil(place.runFile, isPrunedBlock, { set: [`output=${output}`] });
  return output;
}

/** Writes other content into a file of the model while `use` is under way. */
async function whileChanged(
  name: string,
  change: (before: Buffer) => Buffer,
  use: () => Promise<void>,
): Promise<void> {
  const path = join(place.model, name);
  const before = readFileSync(path);
  writeFileSync(path, change(Buffer.from(before)));
  try {
    await use();
  } finally {
    writeFileSync(path, before);
  }
}

async function refusal(output: string): Promise<string> {
  const error: unknown = await prune(place.runFile, { set: [`output=${output}`] }).catch((reason) => reason);
  expect(error).toBeInstanceOf(RequestError);
  return (error as Error).message;
}

it('other weights of the same shapes are refused by the name of their shard, until they are restored', async () => {
  const output = await unfinished();
  const path = join(place.model, SHARD);
  const tensor = readSafetensorsHeader(path).tensors.get('model.layers.2.mlp.up_proj.weight');
  if (!tensor) throw new Error('the tensor is in the other shard');
  const negated = (bytes: Buffer) => {
    for (let at = tensor.offset; at < tensor.offset + tensor.bytes; at += 4)
      bytes.writeFloatLE(-bytes.readFloatLE(at), at);
    return bytes;
  };
  await whileChanged(SHARD, negated, async () => {
    expect(await refusal(output)).toBe(
      `weights in ${path} changed since the run in ${output} began; ` +
        'restore what was there, choose another output, or --fresh starts over',
    );
  });
  await place.expectFinishes(output);
});

it('another config.json is refused', async () => {
  const output = await unfinished();
  const other = (bytes: Buffer) => Buffer.from(bytes.toString().replace('10000', '20000'));
  await whileChanged('config.json', other, async () => {
    expect(await refusal(output)).toContain('holds another run, which differs in: config.json;');
  });
  await place.expectFinishes(output);
});

it('a copy of the model in another place, with other times, is the same model', async () => {
  const output = await unfinished();
  const copy = join(place.folder, 'copy');
  cpSync(place.model, copy, { recursive: true });
  utimesSync(join(copy, SHARD), 1, 1);
  const { alreadyDone } = await prune(place.runFile, { set: [`output=${output}`, `model=${copy}`] });
  expect(alreadyDone).toBe(false);
  await place.expectFinished(output);
});
