import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RequestError, RunError } from '../../src/errors.js';
import { readReport } from '../../src/report/read-report.js';
import { renderReport } from '../../src/report/render-report.js';
import { renderReportHtml } from '../../src/report/render-report-html.js';
import { reportFiles } from '../../src/report/report-files.js';
import { writeReport } from '../../src/report/write-report.js';
import { sampleReport } from './sample-report.js';

let output: string;
beforeEach(async () => {
  output = await mkdtemp(join(tmpdir(), 'secateur-report-'));
});
afterEach(() => rm(output, { recursive: true, force: true }));

async function refusal(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: Error) => error,
  );
}

async function reportJson(text: string): Promise<void> {
  await mkdir(join(output, 'secateur'), { recursive: true });
  await writeFile(join(output, 'secateur', 'report.json'), text);
}

describe('writeReport and readReport', () => {
  it('come back to the same report, and leave two files and nothing else', async () => {
    const report = sampleReport({ blocks: 2 });
    await writeReport(output, report);
    expect(await readReport(output)).toEqual(report);
    expect((await readdir(join(output, 'secateur'))).sort()).toEqual(['report.html', 'report.json']);
    expect(await readFile(join(output, 'secateur', 'report.html'), 'utf8')).toBe(renderReportHtml(report));
  });

  it('come back from as many linears as a model may have, each with a note', async () => {
    const report = sampleReport({ blocks: 1 });
    const note =
      'gets 19 tokens of 128 calibration windows, fewer than calibration.experts.minimum_tokens: pruned by magnitude';
    report.layers = report.layers.slice(0, 1).map((layer) => ({ ...layer, notes: [note] }));
    await writeReport(output, report);
    const { json } = reportFiles(output);
    const text = await readFile(json, 'utf8');
    const [, before = '', layer = '', after = ''] =
      /^([\s\S]*?"layers": \[)([\s\S]*?\n {4}\})(\n {2}\][\s\S]*)$/.exec(text) ?? [];
    expect(before + layer + after).toBe(text);
    const most = 140_000;
    await writeFile(json, `${before}${new Array(most).fill(layer).join()}${after}`);
    const { layers } = await readReport(output);
    expect(layers).toHaveLength(most);
    expect(layers[most - 1]).toEqual(report.layers[0]);
  });

  it('write nothing when a figure is not a number', async () => {
    const report = sampleReport({ blocks: 1 });
    report.totals.sparsity = Number.NaN;
    const error = await refusal(writeReport(output, report));
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toContain('totals.sparsity');
    expect(await readdir(output)).toEqual([]);
  });
});

describe('readReport', () => {
  it('refuses a folder without a report', async () => {
    const error = await refusal(readReport(join(output, 'nowhere')));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toMatch(/nowhere.secateur.report\.json: no such file/);
  });

  it('refuses what is not JSON', async () => {
    await reportJson('{"version": 1,');
    const error = await refusal(readReport(output));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toContain('not valid JSON');
  });

  it('names the place that breaks the schema, and counts the rest', async () => {
    const report = JSON.parse(JSON.stringify(sampleReport({ blocks: 2 })));
    for (const layer of report.layers) layer.zeros = 'many';
    await reportJson(JSON.stringify(report));
    const error = await refusal(readReport(output));
    expect(error).toBeInstanceOf(RequestError);
    expect(error.message).toContain('layers.0.zeros');
    expect(error.message).toContain('and 9 more');
  });
});

describe('renderReport', () => {
  it('draws the page again from the JSON alone', async () => {
    const report = sampleReport({ blocks: 2 });
    await writeReport(output, report);
    const files = reportFiles(output);
    await rm(files.html);
    expect(await renderReport(output)).toBe(files.html);
    expect(await readFile(files.html, 'utf8')).toBe(renderReportHtml(report));
  });
});
