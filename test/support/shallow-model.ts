/** A checkpoint with fewer blocks, for runs that needn't be long. @module */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';

/** Copies the model folder `from` to `to` with its first `blocks` blocks, in one shard. */
export function makeShallowModel(from: string, to: string, blocks: number): void {
  cpSync(from, to, { recursive: true, filter: (path) => !/\.safetensors(\.index\.json)?$/.test(path) });
  const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8'));
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: blocks }));
  const kept = readdirSync(from)
    .filter((file) => file.endsWith('.safetensors'))
    .flatMap((file) => {
      const source = readFileSync(join(from, file));
      return [...readSafetensorsHeader(join(from, file)).tensors].map(
        ([name, { dtype, shape, offset, bytes }]) => {
          return { name, dtype, shape, data: source.subarray(offset, offset + bytes) };
        },
      );
    })
    .filter(({ name }) => Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? 0) < blocks);
  let end = 0;
  const entries = kept.map(({ name, dtype, shape, data }) => {
    const start = end;
    end += data.length;
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(
    join(to, 'model.safetensors'),
    Buffer.concat([length, header, ...kept.map(({ data }) => data)]),
  );
}
