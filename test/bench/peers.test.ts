/** The parts of bench/peers that decide what is compared with what. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

// The benchmark is plain JavaScript outside of what the compiler sees.
const load = async (name: string) => await import(new URL(`../../bench/peers/${name}`, import.meta.url).href);
const { compare, figuresOf, median, tables } = await load('compare.mjs');
const { readOptions, UsageError } = await load('options.mjs');
const { ResultsFile } = await load('results-file.mjs');
const { CASES } = await load('cases.mjs');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'peers-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const run = (peer: string, name: string, repeat: number, wall: number, megabytes: number) => ({
  peer,
  case: name,
  repeat,
  status: 'ok',
  wall_seconds: wall,
  peak_rss_bytes: megabytes * 1e6,
  seconds: { prune: wall - 2 },
});
const evaluation = (peer: string, name: string, perplexity: number) => ({
  peer,
  case: name,
  status: 'ok',
  perplexity,
  sparsity: 0.5,
});

describe('comparison', () => {
  const runs = [
    run('secateur', 'sparsegpt-50', 1, 100, 500),
    run('secateur', 'sparsegpt-50', 2, 110, 520),
    run('secateur', 'sparsegpt-50', 3, 300, 510),
    run('llmcompressor', 'sparsegpt-50', 1, 187, 1600),
    { peer: 'llmcompressor', case: 'sparsegpt-50', repeat: 2, status: 'failed', error: 'killed' },
    run('published', 'sparsegpt-50', 1, 165, 1000),
  ];
  const evaluations = [
    evaluation('secateur', 'sparsegpt-50', 41.7),
    evaluation('llmcompressor', 'sparsegpt-50', 41.6),
    evaluation('published', 'sparsegpt-50', 40),
  ];
  const [sparsegpt] = CASES;

  it('takes the middle of odd and even numbers of values', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('divides medians of the successful runs, each ratio in the direction of its target', () => {
    const result = compare(runs, evaluations, 'llmcompressor', sparsegpt);
    expect(result.times_as_fast).toEqual({ ratio: 187 / 110, target: 1.7, met: true });
    expect(result.times_as_fast_without_start.ratio).toBe(185 / 108);
    expect(result.share_of_memory).toEqual({ ratio: 510 / 1600, target: 1 / 3, met: true });
    expect(result.perplexity.ratio).toBeCloseTo(41.7 / 41.6);
    expect(result.perplexity.met).toBe(true);
    expect(result.runs).toBe(1);
  });

  it('misses what is missed, and sets the published code no target for perplexity', () => {
    const result = compare(runs, evaluations, 'published', sparsegpt);
    expect(result.times_as_fast).toEqual({ ratio: 1.5, target: 1.6, met: false });
    expect(result.share_of_memory.met).toBe(false);
    expect(result.perplexity).toEqual({ ratio: 41.7 / 40, target: null, met: null });
    const worse = [...evaluations.slice(0, 1), evaluation('llmcompressor', 'sparsegpt-50', 41.4)];
    expect(compare(runs, worse, 'llmcompressor', sparsegpt).perplexity.met).toBe(false);
  });

  it('compares nothing with a peer that has no successful run, and no perplexity that was not measured', () => {
    expect(compare(runs, evaluations, 'llmcompressor', CASES[1])).toBeUndefined();
    expect(figuresOf(runs, evaluations, 'llmcompressor', 'wanda-50')).toBeUndefined();
    const result = compare(runs, [], 'llmcompressor', sparsegpt);
    expect(result.perplexity).toMatchObject({ ratio: null, met: null });
  });

  it('draws failed peers and verdicts', () => {
    const comparisons = [compare(runs, evaluations, 'published', sparsegpt)];
    const text = tables({ runs, evaluations, comparisons }, [sparsegpt, CASES[1]], ['published']);
    expect(text).toContain('| sparsegpt-2of4 | published | failed |');
    expect(text).toContain('| sparsegpt-50 | secateur | 110.0 (100.0–300.0) |');
    expect(text).toContain('| sparsegpt-50 | published | 1.50 (≥ 1.6: missed) |');
  });
});

describe('options', () => {
  const given = () => {
    writeFileSync(join(folder, 'text.txt'), 'text');
    return ['--model', '.', '--calibration', 'text.txt', '--eval', 'text.txt'];
  };

  it('chooses cases by their name or by their method', () => {
    const names = (...only: string[]) =>
      readOptions([...given(), ...only.flatMap((name) => ['--only', name])], folder, folder).cases.map(
        ({ name }: { name: string }) => name,
      );
    expect(names()).toEqual(['sparsegpt-50', 'sparsegpt-2of4', 'wanda-50', 'wanda-2of4']);
    expect(names('wanda')).toEqual(['wanda-50', 'wanda-2of4']);
    expect(names('wanda-50', 'sparsegpt-2of4')).toEqual(['sparsegpt-2of4', 'wanda-50']);
  });

  it('knows a text by its content', () => {
    const settings = () => readOptions(given(), folder, folder).settings;
    const before = settings();
    expect(before).toMatchObject({ samples: 128, sequence_length: 512, model: folder });
    expect(before.evaluation).toMatchObject({ context: 2048, windows: 20 });
    writeFileSync(join(folder, 'text.txt'), 'another text');
    const { calibration_sha256 } = readOptions(
      ['--model', '.', '--calibration', 'text.txt', '--eval', 'none'],
      folder,
      folder,
    ).settings;
    expect(calibration_sha256).not.toBe(before.calibration_sha256);
  });

  it.each([
    [['--only', 'magnitude']],
    [['--peers', 'llmcompressor,torch']],
    [['--samples', '0']],
    [['--sample', '3']],
    [['--model', 'absent']],
    [['--resume', '--fresh']],
  ])('refuses %j', (wrong) => {
    expect(() => readOptions([...given(), ...wrong], folder, folder)).toThrow(UsageError);
  });
});

describe('results file', () => {
  const head = { settings: { samples: 8 }, versions: { secateur: '1' } };
  const open = (options: object, other: object = head) =>
    ResultsFile.open(join(folder, 'results.json'), other, { resume: false, fresh: false, ...options });

  it('has each entry on the disk at once, and goes on without repeating or keeping failures', () => {
    const first = open({});
    first.add('runs', { peer: 'a', case: 'x', repeat: 1 }, { status: 'ok' });
    first.add('runs', { peer: 'b', case: 'x', repeat: 1 }, { status: 'failed', error: 'no memory' });
    const onDisk = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8'));
    expect(onDisk.runs).toHaveLength(2);

    const second = open({ resume: true });
    expect(second.finished('runs', { peer: 'a', case: 'x', repeat: 1 })).toBeDefined();
    expect(second.finished('runs', { peer: 'a', case: 'x', repeat: 2 })).toBeUndefined();
    expect(second.finished('runs', { peer: 'b', case: 'x', repeat: 1 })).toBeUndefined();
    second.add('runs', { peer: 'b', case: 'x', repeat: 1 }, { status: 'ok' });
    second.add('runs', { peer: 'a', case: 'x', repeat: 1 }, { status: 'failed', error: 'disk full' });
    expect(second.document.runs).toEqual([
      { peer: 'a', case: 'x', repeat: 1, status: 'ok' },
      { peer: 'b', case: 'x', repeat: 1, status: 'ok' },
    ]);
  });

  it('neither overwrites results nor mixes them with those of other settings', () => {
    open({}).add('runs', { peer: 'a' }, { status: 'ok' });
    expect(() => open({})).toThrow(/--resume goes on with them, --fresh throws them away/);
    expect(() => open({ resume: true }, { ...head, settings: { samples: 9 } })).toThrow(/other settings/);
    expect(open({ fresh: true }, { ...head, settings: { samples: 9 } }).document.runs).toEqual([]);
  });
});
