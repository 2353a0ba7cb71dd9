/** The row of a run that was stopped, and gone on with by a later process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { compare, InterruptedError } from '../../src/index.js';
import { readReport } from '../../src/report/read-report.js';
import { writeShortText } from '../support/short-text.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-resumed-row-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('counts what the stopped process took', async () => {
  const path = join(folder, 'run.yaml');
  writeFileSync(
    path,
    [
      `model: ${join(root, 'models/quickstart')}`,
      `output: ${join(folder, 'out')}`,
      `calibration: {data: ${writeShortText(folder)}, samples: 8, sequence_length: 64}`,
      'prune: {method: gblm, sparsity: 0.5}',
      `evaluation: {data: ${join(root, 'calibration/heldout.txt')}, context: 64, windows: 2}`,
      'resources: {workers: 1}',
    ].join('\n'),
  );
  const options = { methods: ['gblm[windows=2]@owl[windows=2]'], goals: ['0.5'] };
  const controller = new AbortController();
  const stopped = compare(path, {
    ...options,
    signal: controller.signal,
    onLine: (line) => {
      if (line.includes(': prune: 1/6 blocks')) controller.abort();
    },
  });
  await expect(stopped).rejects.toBeInstanceOf(InterruptedError);
  const { comparison, output } = await compare(path, options);
  const [row] = comparison.rows;
  const { run, phases } = await readReport(join(output, row?.folder ?? ''));
  expect(phases.map(({ stage }) => stage)).not.toContain('allocate');
  expect(phases.map(({ stage }) => stage)).not.toContain('gradients');
  const [earlier, reused] = [run.earlier, run.reused];
  expect(earlier?.seconds).toBeGreaterThan(0);
  expect(reused?.seconds).toBeGreaterThan(0);
  expect(row?.seconds).toBeCloseTo(run.prune_seconds + (earlier?.seconds ?? 0) + (reused?.seconds ?? 0), 9);
  const peaks = [run, earlier, reused].map((each) => each?.peak_rss_bytes ?? 0);
  expect(row?.peak_rss_bytes).toBe(Math.max(...peaks));
}, 120_000);
