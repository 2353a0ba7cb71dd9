import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { strftime } from '../../src/calibration/strftime.js';
import { tinyTokenizer } from './fixture.js';

interface Golden {
  /** Year, month from 1, day, hour, minute, second. */
  readonly date: readonly [number, number, number, number, number, number];
  /** By format. */
  readonly texts: Readonly<Record<string, string>>;
}

/** Made by Python's datetime: scripts/make-tokenizer-golden.py. */
const golden = JSON.parse(readFileSync(join(tinyTokenizer, '../strftime.json'), 'utf8')) as Golden[];

describe('strftime', () => {
  it.each(golden)("gives Python's texts for $date", ({ date: [year, month, ...rest], texts }) => {
    const date = new Date(Date.UTC(year, month - 1, ...rest));
    expect(Object.keys(texts).map((format) => [format, strftime(format, date)])).toEqual(
      Object.entries(texts),
    );
  });

  it.each(['%Q', '%U', '%-B', '%^a', '%10d', '%Ey'])('does not know %s', (format) => {
    expect(() => strftime(`on ${format}`, new Date(0))).toThrow(/^strftime: %.{1,2} is not supported$/);
  });
});
