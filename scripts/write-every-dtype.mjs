// node scripts/write-every-dtype.mjs FOLDER: writes a small checkpoint with every safetensors dtype through the built
// library (npm run build), and FOLDER/expected.json for scripts/checkpoint-interop.py --expected.
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = process.argv[2];
if (folder === undefined || folder.startsWith('-')) {
  console.error('usage: node scripts/write-every-dtype.mjs FOLDER');
  process.exit(2);
}
const { DTYPES } = await import('../dist/checkpoint/dtype.js');
const { planShards } = await import('../dist/checkpoint/shard-plan.js');
const { createCheckpointWriter } = await import('../dist/checkpoint/checkpoint-writer.js');

const tensors = DTYPES.flatMap((dtype) => [
  { name: `${dtype}.matrix`, dtype, shape: [3, 8] },
  { name: `${dtype}.empty`, dtype, shape: [0, 4] },
]);
tensors.push(
  { name: '__proto__', dtype: 'I16', shape: [3] },
  { name: 'ключ/"quoted"\\\n😀', dtype: 'F32', shape: [] },
);

const writer = await createCheckpointWriter({ folder, plan: planShards(tensors, 500), resume: false });
const expected = [];
for (const { name, dtype, shape } of tensors.reverse()) {
  const { path, offset, bytes } = writer.locate(name);
  const data = createHash('shake256', { outputLength: bytes }).update(name).digest();
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, data, 0, bytes, offset);
  closeSync(descriptor);
  await writer.complete(name);
  expected.push([name, { dtype, shape, sha256: createHash('sha256').update(data).digest('hex') }]);
}
const source = mkdtempSync(join(tmpdir(), 'every-dtype-'));
writeFileSync(join(source, 'config.json'), '{}\n');
await writer.finish({ copyFrom: { folder: source, otherFiles: ['config.json'] } });
await writer.close();
rmSync(source, { recursive: true });
writeFileSync(join(folder, 'expected.json'), `${JSON.stringify(Object.fromEntries(expected))}\n`);
