/** Downloads on a file system that has no locks. */
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { DownloadProgress } from '../../src/hub/download-files.js';
import { fetchModel } from '../../src/hub/fetch-model.js';
import { lockFile } from '../../src/system/file-lock.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { fakeHubs, ID, modelFiles, sha256 } from './fake-hub.js';

vi.mock('../../src/system/libc.js', () => ({
  libc: () => ({
    library: { func: () => () => -1 },
    lastError: () => ({ errno: 37, code: 'ENOLCK' }),
  }),
}));

const start = fakeHubs();
const newFolder = temporaryFolders();
const weights = modelFiles()['model.safetensors'] as Buffer;

it('a lock file stays where another program made it', () => {
  const path = join(newFolder(), 'a.lock');
  expect(lockFile(path, { keep: true }).kind).toBe('unsupported');
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, 'another');
  expect(lockFile(path, { keep: true }).kind).toBe('unsupported');
  expect(readFileSync(path, 'utf8')).toBe('another');
});

it('a download begins anew, counts nothing of what others have, and removes what was left long ago', async () => {
  const { hub, model, snapshot } = await start();
  const name = join(model, 'blobs', sha256(weights));
  const [shared, old, recent] = [
    '',
    '.01234567-89ab-cdef-0123-456789abcdef',
    '.fedcba98-89ab-cdef-0123-456789abcdef',
  ].map((own) => `${name}${own}.incomplete`) as [string, string, string];
  mkdirSync(dirname(name), { recursive: true });
  for (const path of [shared, old, recent]) writeFileSync(path, weights.subarray(0, 70_000));
  const longAgo = new Date(Date.now() - 48 * 3600 * 1000);
  for (const path of [shared, old]) utimesSync(path, longAgo, longAgo);

  const seen: DownloadProgress[] = [];
  await fetchModel(hub, ID, { onProgress: (progress) => seen.push(progress) });
  expect(seen[0]?.bytesDone).toBe(0);
  expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights)).toBe(true);
  const left = readdirSync(dirname(name)).filter((entry) => entry.endsWith('.incomplete'));
  expect(left.map((entry) => join(dirname(name), entry)).sort()).toEqual([recent, shared].sort());
});
