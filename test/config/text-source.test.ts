import { describe, expect, it } from 'vitest';
import { parseTextSource, textSourceName } from '../../src/config/text-source.js';

/** Address, revision and files, as `huggingface_hub` 1.33 reads (`parse_hf_uri`) and writes them (`to_uri`). */
const addresses = [
  ['@refs/convert/parquet/a/train/0000.parquet', 'refs/convert/parquet', 'a/train/0000.parquet'],
  ['@refs/convert/parquet-v2.1/a', 'refs/convert/parquet-v2.1', 'a'],
  ['@refs/convert/parquet/convert/a', 'refs/convert/parquet', 'convert/a'],
  ['@refs/pr/12/en/*.gz', 'refs/pr/12', 'en/*.gz'],
  ['@refs%2Fpr%2F1%2Fb/a', 'refs/pr/1/b', 'a'],
  ['@refs/heads/a', 'refs', 'heads/a'],
  ['@my%2Fbranch/a/b', 'my/branch', 'a/b'],
  ['@v1.0/refs/pr/1', 'v1.0', 'refs/pr/1'],
  ['/refs/pr/1/a', 'main', 'refs/pr/1/a'],
] as const;

describe('an address on the hub', () => {
  it.each(addresses)('%s', (rest, revision, files) => {
    const source = { hub: 'org/name', files, revision };
    expect(parseTextSource(`hf://datasets/org/name${rest}`)).toEqual(source);
    expect(textSourceName(source)).toBe(`hf://datasets/org/name${rest}`);
  });

  it.each(['refs/convert/parquet', 'refs/pr/1', 'my/branch'])(
    'may have the slashes of %s as %2F',
    (revision) => {
      const address = `hf://datasets/org/name@${encodeURIComponent(revision)}/a/b`;
      expect(parseTextSource(address)).toEqual({ hub: 'org/name', files: 'a/b', revision });
    },
  );

  it.each([
    '@refs/convert/parquet',
    '@refs/pr/1',
    '@refs/pr/1/',
    '@refs/pr/1x/a',
    '@refs/pr/1@b/a',
    '@refs/convert/../a',
    '@refs%2Fconvert%2F../a',
    '@/a',
    '@%/a',
    '',
  ])('that is none, or names no file: %s', (rest) => {
    expect(parseTextSource(`hf://datasets/org/name${rest}`)).toBeUndefined();
  });
});
