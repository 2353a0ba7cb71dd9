import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { syncFile } from '../../src/checkpoint/atomic-file.js';
import { type CheckpointWriter, createCheckpointWriter } from '../../src/checkpoint/checkpoint-writer.js';
import { planShards, type TensorSpec } from '../../src/checkpoint/shard-plan.js';
import { temporaryFolders } from './temporary-folder.js';

vi.mock('../../src/checkpoint/atomic-file.js', async (original) => ({
  ...(await original<typeof import('../../src/checkpoint/atomic-file.js')>()),
  syncFile: vi.fn(),
}));
const synced = vi.mocked(syncFile);

const MEBIBYTE = 2 ** 20;
const tensor = (name: string, mebibytes: number): TensorSpec => ({
  name,
  dtype: 'U8',
  shape: [mebibytes, MEBIBYTE],
});

describe('a shard on its way to the disk', () => {
  const makeFolder = temporaryFolders();
  let writer: CheckpointWriter;
  beforeEach(async () => {
    synced.mockReset();
    synced.mockResolvedValue();
    const plan = planShards([tensor('a', 20), tensor('b', 20), tensor('c', 20), tensor('last', 1)], 2 ** 30);
    writer = await createCheckpointWriter({ folder: makeFolder(), plan, resume: false });
  });
  afterEach(() => writer.close());

  it('begins once 32 MiB are complete, a tensor counted once', async () => {
    await writer.complete('a');
    await writer.complete('a');
    expect(synced).toHaveBeenCalledTimes(0);
    await writer.complete('b');
    expect(synced).toHaveBeenCalledTimes(1);
    await writer.complete('c');
    expect(synced).toHaveBeenCalledTimes(1);
  });

  it('begins with parts of tensors that were reported, no byte counted twice', async () => {
    writer.wrote('a', 15 * MEBIBYTE);
    writer.wrote('b', 10 * MEBIBYTE);
    await writer.complete('a');
    expect(synced).toHaveBeenCalledTimes(0);
    writer.wrote('a', 20 * MEBIBYTE);
    expect(synced).toHaveBeenCalledTimes(0);
    writer.wrote('b', 2 * MEBIBYTE);
    expect(synced).toHaveBeenCalledTimes(1);
  });

  it('is waited for and completed by sync', async () => {
    let finish = () => {};
    synced.mockReturnValueOnce(new Promise((resolve) => (finish = resolve)));
    await writer.complete('a');
    await writer.complete('b');
    let done = false;
    const sync = writer.sync().then(() => {
      done = true;
    });
    await new Promise(setImmediate);
    expect(done).toBe(false);
    finish();
    await sync;
    expect(synced).toHaveBeenCalledTimes(2);
  });

  it('that failed fails what relies on it, although the disk works again', async () => {
    synced.mockRejectedValueOnce(new Error('EIO'));
    await writer.complete('a');
    await writer.complete('b');
    await new Promise(setImmediate);
    await expect(writer.sync()).rejects.toThrow('EIO');
    await writer.complete('c');
    await expect(writer.complete('last')).rejects.toThrow('EIO');
  });
});
