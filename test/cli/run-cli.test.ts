import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Library } from '../../src/cli/library.js';
import { InterruptedError, RequestError, RunError } from '../../src/errors.js';
import { sampleReport } from '../report/sample-report.js';
import { cli, fakeLibrary, samplePlan } from './fake-library.js';

const failing = (error: unknown): Partial<Library> => ({
  prune: () => Promise.reject(error),
});

describe('exit codes', () => {
  it.each<[string, string[], number]>([
    ['help', ['--help'], 0],
    ['help of a command', ['prune', '--help'], 0],
    ['version', ['--version'], 0],
    ['no command', [], 2],
    ['an unknown command', ['prun', 'run.yaml'], 2],
    ['an unknown option', ['prune', 'run.yaml', '--frsh'], 2],
    ['a missing argument', ['prune'], 2],
    ['an argument too many', ['prune', 'a.yaml', 'b.yaml'], 2],
    ['a missing required option', ['eval', 'folder'], 2],
    ['a comparison of nothing', ['compare', 'run.yaml', '--patterns', '2:4'], 2],
    ['a context that is not a number', ['eval', 'folder', '--data', 'x.txt', '--context', '2k'], 2],
    ['no windows at all', ['eval', 'folder', '--data', 'x.txt', '--windows', '0'], 2],
    ['no such way with BOS', ['eval', 'folder', '--data', 'x.txt', '--bos', 'yes'], 2],
    ['done', ['prune', 'run.yaml'], 0],
  ])('%s', async (_, args, code) => {
    const run = await cli(args);
    expect(run.code).toBe(code);
    if (code !== 0) {
      expect(run.stdout).toBe('');
      expect(run.stderr).not.toBe('');
    }
  });

  it.each<[string, unknown, number]>([
    ['a wrong request', new RequestError('run.yaml:3:5: unknown key "sparsty"'), 2],
    ['a failed run', new RunError('NaN in model.layers.3.mlp.up_proj'), 1],
    ['an interruption from outside', new InterruptedError(), 130],
    ['an unexpected error', new TypeError('x is not a function'), 1],
    ['something thrown that is no error', 'oops', 1],
  ])('%s', async (_, error, code) => {
    const run = await cli(['prune', 'run.yaml'], failing(error));
    expect(run.code).toBe(code);
    expect(run.stderr).toContain(error instanceof Error ? error.message : String(error));
    expect(run.stderr).not.toContain('    at ');
    expect(run.stdout).toBe('');
  });

  it('suggests the nearest command and option', async () => {
    expect((await cli(['prun', 'x'])).stderr).toContain('Did you mean prune?');
    expect((await cli(['prune', 'x', '--frsh'])).stderr).toContain('--fresh');
  });

  it('offers no command that does not exist yet', async () => {
    expect((await cli(['--help'])).stdout).not.toContain('recover');
    expect((await cli(['recover', 'org/name'])).code).toBe(2);
  });
});

describe('stacks', () => {
  const cause = new Error('the root of it');
  const library = failing(new TypeError('x is not a function', { cause }));

  it('come with --verbose, before or after the command, and with DEBUG', async () => {
    for (const run of [
      await cli(['--verbose', 'prune', 'run.yaml'], library),
      await cli(['prune', 'run.yaml', '--verbose'], library),
      await cli(['prune', 'run.yaml'], library, { env: { DEBUG: '1' } }),
    ]) {
      expect(run.code).toBe(1);
      expect(run.stderr).toContain('    at ');
      expect(run.stderr).toContain('caused by Error: the root of it');
    }
  });

  it('are pointed to where an error was not expected', async () => {
    expect((await cli(['prune', 'run.yaml'], library)).stderr).toContain('--verbose');
    expect((await cli(['prune', 'run.yaml'], failing(new RunError('disk')))).stderr).not.toContain(
      '--verbose',
    );
  });
});

describe('--json', () => {
  it.each([
    ['prune', 'run.yaml'],
    ['plan', 'run.yaml'],
    ['eval', 'folder', '--data', 'x.txt'],
    ['compare', 'run.yaml', '--methods', 'wanda', '--patterns', '2:4'],
    ['inspect', 'folder'],
    ['fetch', 'org/name'],
  ])('%s prints one document on stdout and the words on stderr', async (...args) => {
    const run = await cli([...args, '--json']);
    expect(run.code).toBe(0);
    expect(typeof JSON.parse(run.stdout)).toBe('object');
    expect(run.stderr).not.toBe('');
    const plain = await cli(args);
    expect(run.stderr).toContain(plain.stdout);
  });

  it('is the result of the library', async () => {
    expect(JSON.parse((await cli(['plan', 'run.yaml', '--json'])).stdout)).toEqual(samplePlan);
    expect(JSON.parse((await cli(['prune', 'run.yaml', '--json'])).stdout)).toEqual({
      output: '/home/user/out/tiny',
      alreadyDone: false,
      report: sampleReport({ blocks: 2 }),
    });
  });

  it('is a document of the error when something fails', async () => {
    const failed = await cli(['prune', 'run.yaml', '--json'], failing(new RequestError('no such model')));
    expect(failed.code).toBe(2);
    expect(JSON.parse(failed.stdout)).toEqual({
      error: { kind: 'RequestError', message: 'no such model', exitCode: 2 },
    });
    expect(failed.stderr).toContain('error: no such model');
    const misused = await cli(['eval', 'folder', '--json']);
    expect(JSON.parse(misused.stdout).error).toMatchObject({ kind: 'UsageError', exitCode: 2 });
  });
});

describe('arguments reach the library', () => {
  it('prune', async () => {
    const calls: unknown[] = [];
    await cli(['prune', 'run.yaml', '--set', 'a.b=1', '--set', 'c=x=y', '--fresh', '--reuse', 'shared'], {
      prune: (runFile, options) => {
        const { set, fresh, reuse, signal } = options ?? {};
        calls.push([runFile, set, fresh, reuse, signal instanceof AbortSignal]);
        return Promise.reject(new RunError('enough'));
      },
    });
    expect(calls).toEqual([['run.yaml', ['a.b=1', 'c=x=y'], true, 'shared', true]]);
  });

  it('eval, with the context of the contract by default', async () => {
    const calls: unknown[] = [];
    const evaluate: Library['evaluate'] = (checkpoint, { onProgress, signal, ...options }) => {
      calls.push([checkpoint, options]);
      return Promise.reject(new RunError('enough'));
    };
    await cli(['eval', 'a', '--data', 'x.txt'], { evaluate });
    await cli(
      [
        'eval',
        'a',
        '--data',
        'x.txt',
        '--context',
        '512',
        '--windows',
        '20',
        '--baseline',
        'b',
        '--workers',
        '1',
        '--field',
        'content',
        '--bos',
        'always',
      ],
      { evaluate },
    );
    expect(calls).toEqual([
      ['a', { data: 'x.txt', context: 2048 }],
      [
        'a',
        {
          data: 'x.txt',
          context: 512,
          windows: 20,
          baseline: 'b',
          workers: 1,
          field: 'content',
          bos: 'always',
        },
      ],
    ]);
  });
});

describe('fetch', () => {
  it('prints the folder alone on stdout, and everything else on stderr', async () => {
    const { code, stdout, stderr } = await cli(['fetch', 'org/name']);
    expect(code).toBe(0);
    expect(stdout).toBe('/home/user/.cache/huggingface/hub/models--org--name/snapshots/0123\n');
    expect(stderr).toContain(
      'fetch org/name: 7 files, 269 MB\nfetch org/name: done, 7 files, 269 MB, 12.3 s\n',
    );
    expect(stderr).toContain(
      'org/name at 0123456789abcdef0123456789abcdef01234567: 7 files new, 269 MB downloaded',
    );
    expect(stderr).toContain('note: left out, since they are not read: model.gguf');
  });

  it('hands on names and the signal', async () => {
    const calls: unknown[] = [];
    await cli(['fetch', 'org/name@refs/pr/1'], {
      fetchModel: (name, options) => {
        calls.push([name, options?.signal instanceof AbortSignal]);
        return Promise.reject(new RequestError('enough'));
      },
    });
    expect(calls).toEqual([['org/name@refs/pr/1', true]]);
  });
});

describe('what people read', () => {
  it('prune: figures, paths below the working folder, notes counted', async () => {
    const { stdout, stderr } = await cli(['prune', 'run.yaml']);
    expect(stdout).toMatch(/perplexity, held-out text\s+20\.97 ± 0\.83 → 41\.63 ± 1\.72 {3}×1\.99/);
    expect(stdout).toMatch(/sparsity\s+50\.00 %/);
    expect(stdout).toMatch(/peak memory\s+893 MB/);
    expect(stdout).toMatch(/checkpoint\s+out\/tiny \(/);
    expect(stdout).toMatch(/report\s+out\/tiny\/secateur\/report\.html/);
    expect(stdout).not.toContain('nothing was done');
    expect(stderr).toContain('note: a note on the way');
    expect(stdout + stderr).not.toContain('\u001b');
  });

  it('prune: what was before a run was resumed', async () => {
    const report = sampleReport({ blocks: 2 });
    report.run.earlier = { seconds: 600, peak_rss_bytes: 1.5e9 };
    const { stdout } = await cli(['prune', 'run.yaml'], {
      prune: async () => ({ output: '/home/user/out/tiny', alreadyDone: false, report }),
    });
    expect(stdout).toMatch(/time .*\n.*\n +10 min 00 s before it was resumed\n/);
    expect(stdout).toMatch(/peak memory +893 MB, before it was resumed 1\.50 GB/);
    expect((await cli(['prune', 'run.yaml'])).stdout).not.toContain('resumed');
  });

  it('prune: a path elsewhere stays absolute, and a finished output is said to be one', async () => {
    const { stdout, code } = await cli(['prune', 'run.yaml'], {
      prune: async () => ({
        output: '/home/userdata/tiny',
        alreadyDone: true,
        report: sampleReport({ blocks: 1 }),
      }),
    });
    expect(code).toBe(0);
    expect(stdout).toContain('/home/userdata/tiny is finished already; nothing was done.');
  });

  it('plan: linears by kind with the range of their targets', async () => {
    const { stdout } = await cli(['plan', 'run.yaml']);
    expect(stdout).toMatch(/mlp\.up_proj +96 × 32 +2 +unstructured +40\.00 % – 50\.00 % +2,764/);
    expect(stdout).toMatch(/mlp\.down_proj +32 × 96 +2 +dense +0\.00 % +0/);
    expect(stdout).toContain('6.00 GFLOP: forward 3.00 G, gram 1.00 G, evaluation 2.00 G');
    expect(stdout).toMatch(
      /writes 41\.0 kB and, while it works, 700 kB of hidden states and 300 kB of moments of gradients$/m,
    );
    expect(stdout).toContain('note: sequence_length 4096 was capped at 2048');
  });

  it('eval: the ratio to the baseline', async () => {
    const { stdout } = await cli(['eval', 'a', '--data', 'x.txt', '--baseline', 'b']);
    expect(stdout).toMatch(/perplexity +41\.63 ± 1\.72/);
    expect(stdout).toMatch(/ratio +×1\.99/);
    expect((await cli(['eval', 'a', '--data', 'x.txt'])).stdout).not.toContain('ratio');
  });

  it('one window: perplexities without a standard error', async () => {
    const side = (perplexity: number) => ({ perplexity, standard_error: null, cross_entropy: 3 });
    const report = sampleReport({ blocks: 1 });
    if (report.evaluation) Object.assign(report.evaluation, { dense: side(20.97), pruned: side(41.63) });
    report.calibration_evaluation = null;
    const pruned = await cli(['prune', 'run.yaml'], {
      prune: async () => ({ output: '/home/user/out/tiny', alreadyDone: false, report }),
    });
    expect(pruned.stdout).toMatch(/perplexity, held-out text\s+20\.97 → 41\.63 {3}×1\.99/);
    const known = fakeLibrary();
    const evaluated = await cli(['eval', 'a', '--data', 'x.txt', '--baseline', 'b'], {
      evaluate: async (checkpoint, options) => ({
        ...(await known.evaluate(checkpoint, options)),
        checkpoint: { path: 'a', ...side(41.63) },
        baseline: { path: 'b', ...side(20.97) },
      }),
    });
    expect(evaluated.stdout).toMatch(/perplexity +41\.63\n/);
    expect(evaluated.stdout).toMatch(/baseline +20\.97 /);
    const compared = await cli(['compare', 'run.yaml', '--methods', 'alps', '--patterns', '0.5'], {
      compare: async (runFile, options) => {
        const { output, comparison } = await known.compare(runFile, options);
        const rows = comparison.rows.map((row) => ({ ...row, standard_error: null }));
        return {
          output,
          comparison: {
            ...comparison,
            dense: { fingerprint: 'd', perplexity: 20.97, standard_error: null },
            rows,
          },
        };
      },
    });
    expect(compared.stdout).toMatch(/^ *dense +20\.97 *$/m);
    for (const { stdout } of [pruned, evaluated, compared]) expect(stdout).not.toContain('±');
  });

  it('inspect: prunable tensors first, uncounted ones marked, violations summed', async () => {
    const { stdout } = await cli(['inspect', 'a', '--pattern', '2:4']);
    expect(stdout.indexOf('up_proj')).toBeLessThan(stdout.indexOf('embed_tokens'));
    expect(stdout).toMatch(/up_proj\.weight +96 × 32 +BF16 +1,536 +50\.00 % +3\n/);
    expect(stdout).toMatch(/model\.layers\.0\.steps +4 +BF16 +– +– +–\n/);
    expect(stdout).toContain('3 groups break it');
    expect((await cli(['inspect', 'a'])).stdout).not.toContain('break');
  });

  it('inspect: says what a pattern was not asked of', async () => {
    const shown = async (...violations: (number | undefined)[]) => {
      const inspect: Library['inspect'] = async (folder) => ({
        ...(await fakeLibrary().inspect(folder)),
        tensors: violations.map((broken, index) => ({
          name: `model.layers.${index}.mlp.up_proj.weight`,
          shape: [8, 4],
          dtype: 'F32',
          numel: 32,
          zeros: 16,
          sparsity: 0.5,
          prunable: true,
          ...(broken === undefined ? {} : { violations: broken }),
        })),
        pattern: '3:7',
      });
      const { stdout } = await cli(['inspect', 'a', '--pattern', '3:7'], { inspect });
      return stdout.match(/pattern 3:7 +(.*)/)?.[1];
    };
    expect(await shown(0, 0)).toBe('no group breaks it');
    expect(await shown(undefined)).toBe('not checked: no known linear has inputs that it divides');
    expect(await shown()).toBe('not checked: no known linear has inputs that it divides');
    expect(await shown(0, undefined)).toBe(
      "no group breaks it; not checked in 1 tensor, whose inputs it doesn't divide",
    );
    expect(await shown(1, undefined, undefined)).toBe(
      "1 group breaks it; not checked in 2 tensors, whose inputs it doesn't divide",
    );
  });

  it('inspect: many tensors by kind, each of them with --all', async () => {
    const tensors = Array.from({ length: 60 }, (_, block) => ({
      name: `model.layers.${block}.mlp.up_proj.weight`,
      shape: [8, 4],
      dtype: 'F32',
      numel: 32,
      zeros: block === 0 ? 8 : 16,
      sparsity: block === 0 ? 0.25 : 0.5,
      prunable: true,
      violations: 1,
    }));
    const inspect: Library['inspect'] = async (folder) => ({
      folder,
      tensors,
      linears: [],
      totals: { parameters: 1920, zeros: 952, prunable: 1920, prunableZeros: 952, bytes: 7680 },
      pattern: '2:4',
      notes: [],
    });
    const grouped = (await cli(['inspect', 'a', '--pattern', '2:4'], { inspect })).stdout;
    expect(grouped).toMatch(/mlp\.up_proj +60 +8 × 4 +F32 +952 +25\.00 % – 50\.00 % +60\n/);
    expect(grouped.split('\n').length).toBeLessThan(15);
    const all = (await cli(['inspect', 'a', '--pattern', '2:4', '--all'], { inspect })).stdout;
    expect(all.match(/up_proj\.weight/g)).toHaveLength(60);
  });

  it('inspect: linears by kind with what they read, and the tensor where it holds several', async () => {
    const linear = (name: string, rows: number, inputGroup: string, tensor = `${name}.weight`) => ({
      name,
      shape: [rows, 32] as const,
      inputGroup,
      tensor,
    });
    const ofBlock = (prefix: string) => [
      linear(`${prefix}attn.qkv.q`, 32, 'attention input', `${prefix}attn.qkv.weight`),
      linear(`${prefix}attn.qkv.k`, 8, 'attention input', `${prefix}attn.qkv.weight`),
      ...Array.from({ length: 20 }, (_, e) => linear(`${prefix}experts.${e}.up_proj`, 64, 'expert input')),
    ];
    const inspect: Library['inspect'] = async (folder) => ({
      ...(await fakeLibrary().inspect(folder)),
      linears: ['model.layers.0.', 'model.layers.1.'].flatMap(ofBlock),
    });
    const { stdout } = await cli(['inspect', 'a'], { inspect });
    expect(stdout).toMatch(/kind of linear +linears +shape +reads +part of\n/);
    const rows = [
      /attn\.qkv\.q +2 +32 × 32 +attention input +attn\.qkv\n/,
      /attn\.qkv\.k +2 +8 × 32 +attention input +attn\.qkv\n/,
      /experts\.\*\.up_proj +40 +64 × 32 +expert input\n/,
    ];
    expect(stdout).toMatch(/kind of tensor/);
    expect(stdout).toContain('--all lists every tensor and every linear');
    const places = rows.map((row) => stdout.search(row));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    const all = (await cli(['inspect', 'a', '--all'], { inspect })).stdout;
    expect(all).toMatch(
      /layers\.1\.attn\.qkv\.k +8 × 32 +attention input +model\.layers\.1\.attn\.qkv\.weight\n/,
    );
    expect(all.match(/experts\.1\.up_proj/g)).toHaveLength(2);
    const few: Library['inspect'] = async (folder) => {
      const many = await inspect(folder);
      return { ...many, linears: many.linears.slice(0, 9) };
    };
    const listed = (await cli(['inspect', 'a'], { inspect: few })).stdout;
    expect(listed).toMatch(/layers\.0\.attn\.qkv\.q +32 × 32/);
    expect(listed).not.toContain('--all');
    expect((await cli(['inspect', 'a'])).stdout).not.toContain('reads');
  });

  it('report and schema: the path, and a document', async () => {
    expect((await cli(['report', 'out/tiny'])).stdout).toBe('out/tiny/secateur/report.html\n');
    expect(JSON.parse((await cli(['schema'])).stdout)).toEqual({ type: 'object', title: 'run.yaml' });
    expect((await cli(['--version'])).stdout).toBe('1.2.3\n');
  });
});

describe('signals', () => {
  /** Works until aborted. */
  const patient: Library['prune'] = (_, options) =>
    new Promise((_resolve, reject) => {
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason));
    });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('%s stops the run with code %d and says that it can be resumed', async (name, code) => {
    const signals = new EventEmitter();
    const run = cli(['prune', 'run.yaml'], { prune: patient }, { signals });
    setTimeout(() => signals.emit(name, name), 20);
    const { stderr, ...rest } = await run;
    expect(rest).toEqual({ code, stdout: '' });
    expect(stderr).toContain(`${name}: finishing what is under way`);
    expect(stderr).toContain('run the same command again');
    expect(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM')).toBe(0);
  });

  it('says that a fresh run goes on without --fresh', async () => {
    const signals = new EventEmitter();
    const run = cli(['prune', 'run.yaml', '--fresh'], { prune: patient }, { signals });
    setTimeout(() => signals.emit('SIGINT', 'SIGINT'), 20);
    expect((await run).stderr).toContain(
      'run the same command again, once a block is finished without --fresh, to go on from here',
    );
  });

  it('keeps the result of a run that ended all the same', async () => {
    const signals = new EventEmitter();
    const run = await cli(
      ['prune', 'run.yaml'],
      {
        prune: async () => {
          signals.emit('SIGINT', 'SIGINT');
          return { output: '/home/user/out/tiny', alreadyDone: false, report: sampleReport({ blocks: 1 }) };
        },
      },
      { signals },
    );
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('out/tiny');
  });

  it('does not pass off another failure as an interruption', async () => {
    const signals = new EventEmitter();
    const run = await cli(
      ['prune', 'run.yaml'],
      {
        prune: () => {
          signals.emit('SIGINT', 'SIGINT');
          return Promise.reject(new RunError('no space left'));
        },
      },
      { signals },
    );
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('error: no space left');
  });

  it('compare: one line a run, below the dense model, and where the page is', async () => {
    const args = ['compare', 'run.yaml', '--methods', 'magnitude, alps@owl', '--patterns', '0.5,2:4'];
    const { stdout, stderr, code } = await cli(args);
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines.slice(1, 6).map(([method, goal]) => [method, goal])).toEqual([
      ['dense', '20.97 ± 0.83'],
      ['magnitude', '0.5'],
      ['alps@owl', '0.5'],
      ['magnitude', '2:4'],
      ['alps@owl', '2:4'],
    ]);
    expect(lines[2]).toContain('41.63 ± 1.72');
    expect(stdout).toContain('compare.html');
    expect(stderr).toContain('magnitude 0.5: prune: done');
  });
});
