import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyFileAtomically, writeFileAtomically } from '../../src/checkpoint/atomic-file.js';
import { RequestError } from '../../src/errors.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

describe('writeFileAtomically', () => {
  it('writes, replaces, and leaves nothing else', async () => {
    const folder = newFolder();
    const path = join(folder, 'file');
    await writeFileAtomically(path, 'a longer text');
    await writeFileAtomically(path, new Uint8Array([104, 105]));
    expect(readFileSync(path, 'utf8')).toBe('hi');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('keeps the old file and removes its own when it fails', async () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'file', 'inside'), { recursive: true });
    await expect(writeFileAtomically(join(folder, 'missing', 'x'), '')).rejects.toThrow(RequestError);
    await expect(writeFileAtomically(join(folder, 'missing', 'x'), '')).rejects.toThrow(
      join(folder, 'missing', 'x'),
    );
    await expect(writeFileAtomically(join(folder, 'file'), '')).rejects.toThrow(join(folder, 'file'));
    expect(readdirSync(folder)).toEqual(['file']);
  });
});

describe('copyFileAtomically', () => {
  it('copies content through links, over several chunks', async () => {
    const folder = newFolder();
    const content = Buffer.alloc(2_500_000, 'secateur ');
    writeFileSync(join(folder, 'from'), content, { mode: 0o400 });
    symlinkSync('from', join(folder, 'link'));
    await copyFileAtomically(join(folder, 'link'), join(folder, 'to'));
    expect(readFileSync(join(folder, 'to')).equals(content)).toBe(true);
    expect(readdirSync(folder)).toEqual(['from', 'link', 'to']);
  });

  it('names the file that can not be read', async () => {
    const folder = newFolder();
    await expect(copyFileAtomically(join(folder, 'from'), join(folder, 'to'))).rejects.toThrow(
      join(folder, 'from'),
    );
    mkdirSync(join(folder, 'sub'));
    await expect(copyFileAtomically(join(folder, 'sub'), join(folder, 'to'))).rejects.toThrow(
      join(folder, 'sub'),
    );
    expect(readdirSync(folder)).toEqual(['sub']);
  });
});
