/** A checkpoint with fewer blocks, for runs that needn't be long. @module */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';

const BLOCK = /^model\.layers\.(\d+)\./;

/** Copies the model folder `from` to `to` with some of its blocks, or so many of the first, in one shard. */
export function makeShallowModel(from: string, to: string, blocks: number | readonly number[]): void {
  const taken = typeof blocks === 'number' ? [...Array(blocks).keys()] : blocks;
  cpSync(from, to, { recursive: true, filter: (path) => !/\.safetensors(\.index\.json)?$/.test(path) });
  const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8'));
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: taken.length }));
  const kept = readdirSync(from)
    .filter((file) => /^model.*\.safetensors$/.test(file))
    .flatMap((file) => {
      const source = readFileSync(join(from, file));
      return [...readSafetensorsHeader(join(from, file)).tensors].map(
        ([name, { dtype, shape, offset, bytes }]) => {
          return { name, dtype, shape, data: source.subarray(offset, offset + bytes) };
        },
      );
    })
    .flatMap((tensor) => {
      const block = BLOCK.exec(tensor.name)?.[1];
      if (block === undefined) return [tensor];
      const index = taken.indexOf(Number(block));
      return index < 0 ? [] : [{ ...tensor, name: tensor.name.replace(BLOCK, `model.layers.${index}.`) }];
    });
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
