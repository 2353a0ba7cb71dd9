import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { readReport } from '../../src/report/read-report.js';
import { sampleReport } from './sample-report.js';

let output: string;
beforeAll(() => {
  output = mkdtempSync(join(tmpdir(), 'secateur-report-'));
  mkdirSync(join(output, 'secateur'));
});
afterAll(() => rmSync(output, { recursive: true }));

async function refused(content: string, bytes?: number): Promise<string> {
  const path = join(output, 'secateur', 'report.json');
  writeFileSync(path, content);
  if (bytes !== undefined) truncateSync(path, bytes);
  const error: unknown = await readReport(output).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RequestError);
  return (error as Error).message.replaceAll(`${output}/secateur/`, '');
}

it('refuses reports that are too large, too deep or too full', async () => {
  expect(await refused('{', 200_000_000)).toBe('report.json has 200000000 bytes; 128000000 at most are read');
  expect(await refused('['.repeat(100_000))).toBe(
    'report.json: more than 64 nested arrays and objects at byte 65',
  );
  expect(await refused(`[${'0,'.repeat(5_000_001)}0]`)).toMatch(
    /^report\.json: more than 5000000 keys and values/,
  );
});

it('refuses a report whose charts would have a place for every block there could be', async () => {
  const report = JSON.parse(JSON.stringify(sampleReport({ blocks: 2 })));
  report.layers[3].block = 2 ** 53 - 1;
  expect(await refused(JSON.stringify(report))).toMatch(
    /is in block 9007199254740991; 4096 blocks at most are drawn$/,
  );
});

it('says in few words what is wrong with a report of strange names', async () => {
  const message = await refused(JSON.stringify({ [`k${'x'.repeat(1_000_000)}`]: 1 }));
  expect(message.length).toBeLessThan(3_000);
  const keys = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, i]));
  expect(await refused(JSON.stringify({ layers: [keys] }))).toMatch(
    /^report\.json: an object of more than 1000 keys at byte/,
  );
});
