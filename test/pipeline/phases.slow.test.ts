/** Where the time of a run went, in its report. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { REPORT_PHASES, REPORT_STAGES } from '../../src/pipeline/progress/progress.js';
import type { Report } from '../../src/report/report-schema.js';
import { pruneUntil } from '../support/prune-until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-phases-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function runFile(prune: string, rest: string[] = []): string {
  const path = join(folder, `run-${count++}.yaml`);
  const lines = [
    `model: ${join(root, 'models/quickstart')}`,
    `output: ${join(folder, `out-${count}`)}`,
    `prune: ${prune}`,
    ...rest,
  ];
  writeFileSync(path, lines.join('\n'));
  return path;
}

const calibration = `calibration: {data: ${join(root, 'calibration/general.jsonl')}, samples: 4, sequence_length: 64}`;

function expectWholeTime({ phases, run }: Report): void {
  const sum = phases.reduce((total, { seconds }) => total + seconds, 0);
  const slack = Math.max(0.05 * run.seconds, 0.05);
  expect(sum).toBeGreaterThan(run.seconds - slack);
  expect(sum).toBeLessThan(run.seconds + slack);
  const other = phases
    .filter(({ phase }) => phase === 'other')
    .reduce((total, { seconds }) => total + seconds, 0);
  // Time that no phase has a name for; generous, since a busy machine can stop a thread anywhere.
  expect(other).toBeLessThan(Math.max(0.2 * run.seconds, 0.5));
  const stages: readonly string[] = REPORT_STAGES;
  const order = phases.map(({ stage }) => stages.indexOf(stage));
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  for (const { phase } of phases) expect(REPORT_PHASES).toContain(phase);
}

it('adds up to the wall time when only weights are looked at', async () => {
  const { report } = await prune(runFile('{method: magnitude, sparsity: 0.5}'));
  expectWholeTime(report);
  const stages = new Set(report.phases.map(({ stage }) => stage));
  expect([...stages]).toEqual(['prepare', 'check', 'prune', 'verify', 'finish']);
});

it('adds up to the wall time with calibration and evaluation, and after a stop', async () => {
  const text = join(folder, 'text.txt');
  copyFileSync(join(root, 'docs/architecture.md'), text);
  const path = runFile(
    '{method: gblm, pattern: "2:4", options: {windows: 2}, allocation: {name: owl, lambda: 0.2, windows: 2}}',
    [calibration, `evaluation: {data: ${text}, context: 64, windows: 4}`],
  );
  await pruneUntil(path, (event) => event.kind === 'block' && event.stage === 'prune' && event.block === 1);
  const { report } = await prune(path);
  expectWholeTime(report);
  const again = await prune(path, { fresh: true, reuse: join(folder, 'shared') });
  expectWholeTime(again.report);
  const stages = new Set(again.report.phases.map(({ stage }) => stage));
  expect([...stages]).toEqual([...REPORT_STAGES]);
});
