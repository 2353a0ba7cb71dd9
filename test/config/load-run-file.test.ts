import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { createRunSchema } from '../../src/config/run-schema.js';
import { RequestError } from '../../src/errors.js';
import { failure, inFolder, load, schema } from './fixture.js';

const minimal = 'model: org/name\noutput: out\nprune:\n  method: sparsegpt\n  sparsity: 0.5\n';

describe('a valid run file', () => {
  it('has every default written out', () => {
    const { config, folder } = load(`${minimal}calibration: {data: c.txt}\nevaluation: {data: e.txt}\n`);
    expect(config).toEqual({
      model: 'org/name',
      output: join(folder, 'out'),
      calibration: {
        data: [{ path: join(folder, 'c.txt'), weight: 1 }],
        samples: 128,
        sequence_length: 2048,
        windows: 'contiguous',
        seed: 0,
        bos: 'auto',
        inputs: 'auto',
        recovery: 0,
        experts: { minimum_tokens: 32, fallback: 'error' },
      },
      prune: {
        method: 'sparsegpt',
        sparsity: 0.5,
        allocation: { name: 'uniform' },
        refine: { name: 'none' },
        update: { name: 'none' },
        existing_zeros: 'count',
        options: { damping: 0.01, block_size: 128 },
        rules: [],
      },
      evaluation: {
        data: { path: join(folder, 'e.txt') },
        context: 2048,
        bos: 'auto',
        calibration_windows: 32,
      },
      write: { max_shard_size: 5_000_000_000, dtype: 'auto' },
      resources: { workers: 'auto', memory_limit: 'auto' },
    });
  });

  it('takes text from files and from the hub, in every form', () => {
    const data = (calibration: string, evaluation: string) => {
      const text = `calibration: {data: ${calibration}}\nevaluation: {data: ${evaluation}}\n`;
      const { config, folder } = load(`${minimal}${text}`);
      return { calibration: config.calibration?.data, evaluation: config.evaluation?.data, folder };
    };
    const c4 = { hub: 'allenai/c4', files: 'en/c4-train.*.json.gz', revision: 'main' };
    expect(
      data('hf://datasets/allenai/c4/en/c4-train.*.json.gz', '{path: a.parquet, field: content}'),
    ).toEqual({
      calibration: [{ ...c4, weight: 1 }],
      evaluation: { path: expect.stringMatching(/\/a\.parquet$/), field: 'content' },
      folder: expect.anything(),
    });
    expect(
      data(
        '[{hub: allenai/c4, files: en/c4-train.*.json.gz, weight: 2, field: text}, {path: /a.txt}]',
        'hf://datasets/org/name@refs%2Fconvert%2Fparquet/a/*.parquet',
      ),
    ).toMatchObject({
      calibration: [
        { ...c4, weight: 2, field: 'text' },
        { path: '/a.txt', weight: 1 },
      ],
      evaluation: { hub: 'org/name', files: 'a/*.parquet', revision: 'refs/convert/parquet' },
    });
    expect(
      data('[{path: "hf://datasets/allenai/c4/en/*", field: text}]', '{path: "hf://datasets/a/b@v1/c"}'),
    ).toMatchObject({
      calibration: [{ hub: 'allenai/c4', files: 'en/*', revision: 'main', field: 'text', weight: 1 }],
      evaluation: { hub: 'a/b', files: 'c', revision: 'v1' },
    });
    const list = data('[a.txt, /b.jsonl, {path: c.txt, weight: 3}, hf://datasets/a/b@v1/c]', 'e.txt');
    expect(list.calibration).toEqual([
      { path: join(list.folder, 'a.txt'), weight: 1 },
      { path: '/b.jsonl', weight: 1 },
      { path: join(list.folder, 'c.txt'), weight: 3 },
      { hub: 'a/b', files: 'c', revision: 'v1', weight: 1 },
    ]);
    expect(data('{path: /a.txt}', '{hub: org/name, files: a, revision: v1}')).toMatchObject({
      calibration: [{ path: '/a.txt', weight: 1 }],
      evaluation: { hub: 'org/name', files: 'a', revision: 'v1' },
    });
  });

  it('takes the longest form of everything', () => {
    const { config, folder } = load(`
model: ./m
output: /abs/out
calibration:
  data: [{path: a.jsonl}, {path: /b.txt, weight: 0.5}]
  samples: 4
  sequence_length: 16
  windows: random
  seed: 7
prune:
  method: sparsegpt
  pattern: 2:4
  allocation: {name: owl, outlier: 7}
  refine: {name: swap, cycles: 9}
  update: refit
  options: {damping: 0.1}
  rules:
    - {match: "model.layers.0.*", keep: dense}
    - {match: "*.down_proj", sparsity: 0.4}
    - {match: "*.up_proj", pattern: 1:4}
evaluation: {data: e.txt, context: 32, windows: 20, calibration_windows: 0}
write: {max_shard_size: 1.5 GB, dtype: same}
resources: {workers: 2, memory_limit: 800MB}
`);
    expect(config.model).toBe(join(folder, 'm'));
    expect(config.output).toBe('/abs/out');
    expect(config.calibration?.data).toEqual([
      { path: join(folder, 'a.jsonl'), weight: 1 },
      { path: '/b.txt', weight: 0.5 },
    ]);
    expect(config.prune.pattern).toBe('2:4');
    expect(config.prune.allocation).toEqual({ name: 'owl', lambda: 0.08, outlier: 7 });
    expect(config.prune.refine).toEqual({ name: 'swap', cycles: 9 });
    expect(config.prune.update).toEqual({ name: 'refit', steps: 50 });
    expect(config.prune.options).toEqual({ damping: 0.1, block_size: 128 });
    expect(config.prune.rules.map((rule) => rule.keep ?? rule.sparsity ?? rule.pattern)).toEqual([
      'dense',
      0.4,
      '1:4',
    ]);
    expect(config.evaluation?.windows).toBe(20);
    expect(config.write.max_shard_size).toBe(1_500_000_000);
    expect(config.resources).toEqual({ workers: 2, memory_limit: 800_000_000 });
  });

  it('reads 2:4 as text under every YAML version', () => {
    const text = minimal.replace('sparsity: 0.5', 'pattern: 2:4');
    expect(load(text).config.prune.pattern).toBe('2:4');
    expect(load(`%YAML 1.1\n---\n${text}`).config.prune.pattern).toBe('2:4');
    expect(load(minimal, ['prune.sparsity=', 'prune.pattern=2:4']).config.prune.pattern).toBe('2:4');
  });

  it('may begin with a byte order mark, have CRLF line ends, and use anchors', () => {
    expect(load(`\uFEFF${minimal.replaceAll('\n', '\r\n')}`).config.prune.sparsity).toBe(0.5);
    const text = `${minimal}  rules:\n    - &rule {match: a, keep: dense}\n    - *rule\n`;
    expect(load(text).config.prune.rules).toHaveLength(2);
  });

  it('keeps a hub name unless such a folder exists', () => {
    inFolder((folder) => {
      const path = join(folder, 'run.yaml');
      const modelOf = (model: string) => {
        writeFileSync(path, minimal.replace('org/name', model));
        return loadRunFile(path, schema).config.model;
      };
      expect(modelOf('org/name')).toBe('org/name');
      expect(modelOf('org/name@refs/pr/1')).toBe('org/name@refs/pr/1');
      expect(modelOf('./org/name')).toBe(join(folder, 'org/name'));
      expect(modelOf('../up')).toBe(join(folder, '../up'));
      expect(modelOf('a/b/c')).toBe(join(folder, 'a/b/c'));
      expect(modelOf('name')).toBe(join(folder, 'name'));
      mkdirSync(join(folder, 'org/name'), { recursive: true });
      expect(modelOf('org/name')).toBe(join(folder, 'org/name'));
    });
  });
});

describe('--set', () => {
  it('replaces, adds and removes values', () => {
    const text = `${minimal}  rules: [{match: a, keep: dense}, {match: b, keep: dense}]\n`;
    const set = [
      'prune.sparsity=0.25',
      'prune.options.damping=1e-3',
      'prune.allocation={name: owl, lambda: 0.2}',
      'prune.rules.1.keep=null',
      'prune.rules.1.sparsity=0.75',
      'prune.rules.0=',
      'calibration.data=a=b.txt',
      'calibration.samples=1',
      'calibration.samples=2',
    ];
    const { config, folder } = load(text, set);
    expect(config.prune.sparsity).toBe(0.25);
    expect(config.prune.options).toEqual({ damping: 1e-3, block_size: 128 });
    expect(config.prune.allocation).toEqual({ name: 'owl', lambda: 0.2, outlier: 5 });
    expect(config.prune.rules).toEqual([{ match: 'b', sparsity: 0.75 }]);
    expect(config.calibration?.data).toEqual([{ path: join(folder, 'a=b.txt'), weight: 1 }]);
    expect(config.calibration?.samples).toBe(2);
    const list = load(text, ['calibration.data=[a.txt, b.txt]', 'calibration.data.1=/c.txt']).config;
    expect(list.calibration?.data.map((source) => 'path' in source && basename(source.path))).toEqual([
      'a.txt',
      'c.txt',
    ]);
  });

  it.each([
    ['prune.sparsity', '--set prune.sparsity: expected key.path=value, for example prune.sparsity=0.5'],
    ['=1', '--set =1: expected key.path=value'],
    ['prune..x=1', '--set prune..x=1: expected key.path=value'],
    ['prune.options=[1', '--set prune.options=[1: what follows = is not a YAML value'],
    ['prune.method.x=1', '--set prune.method.x=1: prune.method is "sparsegpt", not a map'],
    ['prune.rules.0.keep=dense', '--set prune.rules.0.keep=dense: prune.rules: expected a list, found a map'],
    ['prune.sparsity=50', '--set prune.sparsity=50: prune.sparsity: expected a fraction'],
    ['prun.sparsity=0.5', '--set prun.sparsity=0.5: unknown key "prun"; did you mean "prune"?'],
    [
      'prune.optins.damping=1',
      '--set prune.optins.damping=1: prune: unknown key "optins"; did you mean "options"?',
    ],
    ['__proto__.model=x', '--set __proto__.model=x: unknown key "__proto__"'],
    ['model=', '--set model=: model: missing'],
    [
      'calibration.samples=3',
      '--set calibration.samples=3: calibration.data: expected the path of a text file',
    ],
    [
      'prune.pattern=2:4',
      '--set prune.pattern=2:4: prune.pattern: sparsity and pattern are both given; exactly one of sparsity or pattern is allowed; --set prune.sparsity= takes the other out',
    ],
  ])('is named by an error in %s', (set, message) => {
    expect(failure(minimal, [set]).slice(0, message.length)).toBe(message);
  });

  it.each([
    {
      of: ['resources.workers=0', 'resources.memory_limit=1KB'],
      is: [
        '--set resources.workers=0: resources.workers: expected auto or an integer from 1 to 256, found 0',
      ],
    },
    {
      of: ['resources.memory_limit=1KB', 'resources.workers=0', 'resources={workers: -1, memory_limit: 1KB}'],
      is: [
        '--set resources={workers: -1, memory_limit: 1KB}: resources.workers: expected auto or an integer from 1 to 256, found -1',
      ],
    },
    {
      of: ['calibration.windows=document', 'calibration.samples=0', 'calibration.seed='],
      is: [
        '--set calibration.samples=0: calibration.data: expected the path of a text file',
        '--set calibration.samples=0: calibration.samples: expected at least 1, found 0',
      ],
    },
    {
      of: ['calibration.data=a.txt', 'calibration=', 'calibration.samples=3'],
      is: ['--set calibration.samples=3: calibration.data: expected the path of a text file'],
    },
    { of: ['model=', 'model.a=b'], is: ['--set model.a=b: model: expected text, found a map'] },
    { of: ['calibration.data=', 'output='], is: ['--set output=: output: missing; expected text'] },
  ])('is named by an error only where it wrote what is wrong: $of', ({ of, is }) => {
    const lines = failure(minimal, of).split('\n');
    expect(lines).toHaveLength(is.length > 1 ? is.length + 1 : 1);
    for (const [i, message] of is.entries())
      expect(lines.at(i - is.length)?.slice(0, message.length)).toBe(message);
  });

  it('that takes an entry out of a list leaves the blame for the others where it was', () => {
    const text = `${minimal}  rules:\n    - {match: a, keep: dense}\n    - {match: b, sparsity: 2}\n    - {match: c, keep: 1}\n`;
    expect(
      failure(text, ['prune.rules.2.keep=x', 'prune.rules.0=', 'prune.rules.0.match=']).split('\n'),
    ).toEqual([
      'run.yaml: 3 problems',
      expect.stringMatching(/^--set prune\.rules\.2\.keep=x: prune\.rules\.2\.keep: .* found "x"/),
      '--set prune.rules.0.match=: prune.rules.0.match: missing; expected text',
      expect.stringMatching(/^run\.yaml:8:28: prune\.rules\.1\.sparsity: .* found 2/),
      '  8 |     - {match: b, sparsity: 2}',
      '    |                            ^',
    ]);
  });

  it('is blamed as a walk through all of them says, whatever entries come and go', () => {
    const first = minimal.split('\n').length + 1;
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 6 }),
        fc.array(fc.record({ entry: fc.nat(5), takes: fc.boolean() }), { maxLength: 6 }),
        (count, changes) => {
          // Every value is wrong, and no two are the same.
          const entries = Array.from({ length: count }, (_, i) => ({
            value: 10 + i,
            blamed: `run.yaml:${first + i}:28: prune.rules.${i}.sparsity`,
          }));
          const text = `${minimal}  rules:\n${entries.map(({ value }) => `    - {match: a, sparsity: ${value}}\n`).join('')}`;
          const set = changes.flatMap(({ entry, takes }, i) => {
            if (entry >= entries.length || (takes && entries.length === 1)) return [];
            if (takes) entries.splice(entry, 1);
            const argument = `prune.rules.${entry}.sparsity=${20 + i}`;
            if (!takes)
              entries[entry] = { value: 20 + i, blamed: `--set ${argument}: prune.rules.${entry}.sparsity` };
            return takes ? [`prune.rules.${entry}=`] : [argument];
          });
          const given = failure(text, set)
            .split('\n')
            .flatMap((line) => /^(.*): expected a fraction.* found (\d+)/.exec(line)?.slice(1).join() ?? []);
          expect(given.sort()).toEqual(entries.map(({ blamed, value }) => `${blamed},${value}`).sort());
        },
      ),
      { numRuns: 100 },
    );
  });

  it.each(['1', '00', '-1', 'x'])('names list entries that are not there: %s', (entry) => {
    const argument = `prune.rules.${entry}.keep=dense`;
    expect(failure(`${minimal}  rules: [{match: a, keep: dense}]\n`, [argument])).toBe(
      `--set ${argument}: prune.rules is a list of 1; ${entry} is none of its entries, which count from 0`,
    );
  });

  it.each([
    ['evaluation.data.files=x/test.parquet'],
    ['calibration.data.files=x/test.parquet'],
    ['evaluation.data.revision=v1', 'evaluation.data.field=a', 'calibration.data.field=b'],
    ['prune.rules.1.keep=', 'prune.rules.1.sparsity=0.25'],
    ['evaluation.data={path: /a.txt}', 'evaluation.data.field=a'],
  ])('changes one place of an anchor and its aliases: %s', (...set) => {
    const [data, rule] = ['{hub: a/b, files: "x/*.parquet"}', '{match: a, keep: dense}'];
    const text = (first: string, second: string, firstRule: string, secondRule: string) =>
      `${minimal}  rules: [${firstRule}, ${secondRule}]\ncalibration: {data: ${first}}\nevaluation: {data: ${second}}\n`;
    const shared = load(text(`&d ${data}`, '*d', `&r ${rule}`, '*r'), set).config;
    const apart = load(text(data, data, rule, rule), set).config;
    expect({ ...shared, output: '' }).toEqual({ ...apart, output: '' });
  });

  it('leaves the blame with the file where only that is wrong', () => {
    expect(failure(minimal.replace('0.5', '5'), ['output=x'])).toMatch(/^run\.yaml:5:13: prune\.sparsity/);
  });
});

describe('a problem', () => {
  it('is shown with its line and a caret under it', () => {
    expect(failure(minimal.replace('sparsity', 'sparsty'))).toBe(
      [
        'run.yaml: 2 problems',
        'run.yaml:3:1: prune: missing sparsity or pattern; exactly one of them is needed',
        '  3 | prune:',
        '    | ^',
        'run.yaml:5:3: prune: unknown key "sparsty"; did you mean "sparsity"? allowed here: method, sparsity, pattern, allocation, options, refine, update, existing_zeros, rules',
        '  5 |   sparsty: 0.5',
        '    |   ^',
      ].join('\n'),
    );
  });

  const replaced = (from: string, to: string) => minimal.replace(from, to);
  it.each<[string, string, string]>([
    ['unknown key at the top', `modell: x\n${minimal}`, '1:1: unknown key "modell"; did you mean "model"?'],
    [
      'unknown key with no near one',
      `${minimal}zzzzzz: 1`,
      '6:1: unknown key "zzzzzz"; allowed here: model, output,',
    ],
    ['missing key', replaced('output: out\n', ''), '1:1: output: missing; expected text'],
    ['number for text', replaced('org/name', '12'), '1:8: model: expected text, found 12 (put it in quotes)'],
    ['nothing for text', replaced('org/name', ''), '1:8: model: expected text, found nothing'],
    ['empty text', replaced('org/name', '""'), '1:8: model: expected at least 1 character, found ""'],
    ['nothing for a map', `${minimal}evaluation:\n`, '6:12: evaluation: expected a map, found nothing'],
    [
      'unknown method',
      replaced('sparsegpt', 'sparse-gpt'),
      '4:11: prune.method: expected one of magnitude, sparsegpt, found "sparse-gpt"; did you mean "sparsegpt"?',
    ],
    [
      'no method',
      replaced('  method: sparsegpt\n', ''),
      '3:1: prune.method: missing; expected one of magnitude, sparsegpt',
    ],
    [
      'percent as a number',
      replaced('0.5', '50'),
      '5:13: prune.sparsity: expected a fraction from 0 up to but not including 1, found 50: write 0.5 for 50 %',
    ],
    [
      'percent as text',
      replaced('0.5', '62.5%'),
      '5:13: prune.sparsity: expected a fraction from 0 up to but not including 1, found "62.5%": write 0.625 for 62.5 %',
    ],
    [
      'all of it',
      replaced('0.5', '1'),
      '5:13: prune.sparsity: expected a fraction from 0 up to but not including 1, found 1: that would remove every weight',
    ],
    ['less than none', replaced('0.5', '-0.1'), '5:13: prune.sparsity: expected a fraction'],
    ['not a number', replaced('0.5', '.nan'), '5:13: prune.sparsity: expected a fraction'],
    [
      'pattern as sparsity',
      replaced('0.5', '2:4'),
      '5:13: prune.sparsity: expected a fraction from 0 up to but not including 1, found "2:4": an N:M pattern goes under the key pattern',
    ],
    [
      'pattern the wrong way round',
      replaced('sparsity: 0.5', 'pattern: 4:2'),
      '5:12: prune.pattern: expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found "4:2"; did you mean "2:4"?',
    ],
    [
      'pattern that keeps all',
      replaced('sparsity: 0.5', 'pattern: 4:4'),
      '5:12: prune.pattern: expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found "4:4": that keeps everything',
    ],
    [
      'pattern that keeps none',
      replaced('sparsity: 0.5', 'pattern: 0:4'),
      '5:12: prune.pattern: expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found "0:4": that keeps nothing',
    ],
    [
      'pattern too long',
      replaced('sparsity: 0.5', 'pattern: 2:4096'),
      '5:12: prune.pattern: expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found "2:4096": groups go up to 1024',
    ],
    [
      'sparsity as pattern',
      replaced('sparsity: 0.5', 'pattern: 0.5'),
      '5:12: prune.pattern: expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found 0.5: a fraction goes under the key sparsity',
    ],
    [
      'both',
      `${minimal}  pattern: 2:4\n`,
      '6:12: prune.pattern: sparsity and pattern are both given; exactly one of sparsity or pattern is allowed',
    ],
    [
      'unknown option',
      `${minimal}  options: {dampin: 1}\n`,
      '6:13: prune.options: unknown key "dampin"; did you mean "damping"? allowed here: damping, block_size',
    ],
    [
      "another method's option",
      `${replaced('sparsegpt', 'magnitude')}  options: {damping: 1}\n`,
      '6:13: prune.options: unknown key "damping"; no keys are allowed here',
    ],
    [
      'option out of range',
      `${minimal}  options: {damping: 0}\n`,
      '6:22: prune.options.damping: expected more than 0, found 0',
    ],
    [
      'option of the wrong type',
      `${minimal}  options: {block_size: 1.5}\n`,
      '6:25: prune.options.block_size: expected an integer, found 1.5',
    ],
    [
      'unknown allocation',
      `${minimal}  allocation: owll\n`,
      '6:15: prune.allocation: expected the name of an allocation (uniform, owl), or a map with name and its options, found "owll"; did you mean "owl"?',
    ],
    [
      'unknown allocation in a map',
      `${minimal}  allocation: {name: owll}\n`,
      '6:22: prune.allocation.name: expected one of uniform, owl, found "owll"; did you mean "owl"?',
    ],
    [
      'unknown option of an allocation',
      `${minimal}  allocation: {name: owl, lambada: 1}\n`,
      '6:27: prune.allocation: unknown key "lambada"; did you mean "lambda"?',
    ],
    [
      'unknown refinement',
      `${minimal}  refine: swop\n`,
      '6:11: prune.refine: expected the name of a refinement (none, swap), or a map with name and its options, found "swop"; did you mean "swap"?',
    ],
    [
      'unknown option of a refinement',
      `${minimal}  refine: {name: swap, cycle: 1}\n`,
      '6:24: prune.refine: unknown key "cycle"; did you mean "cycles"?',
    ],
    [
      'rule without an effect',
      `${minimal}  rules:\n    - match: a\n`,
      '7:7: prune.rules.0: missing keep, sparsity or pattern; exactly one of them is needed',
    ],
    [
      'rule with two effects',
      `${minimal}  rules:\n    - {match: a, keep: dense, sparsity: 0}\n`,
      '7:41: prune.rules.0.sparsity: keep and sparsity are both given; exactly one of keep, sparsity or pattern is allowed',
    ],
    [
      'rule that keeps something else',
      `${minimal}  rules:\n    - {match: a, keep: dens}\n`,
      '7:24: prune.rules.0.keep: expected dense, found "dens"; did you mean "dense"?',
    ],
    [
      'rule without a match',
      `${minimal}  rules:\n    - {keep: dense}\n`,
      '7:7: prune.rules.0.match: missing; expected text',
    ],
    ['no rule at all', `${minimal}  rules: dense\n`, '6:10: prune.rules: expected a list, found "dense"'],
    [
      'calibration without data',
      `${minimal}calibration: {samples: 1}\n`,
      '6:1: calibration.data: expected the path of a text file, a map with path or hub, or a list of these, found nothing',
    ],
    [
      'empty list of data',
      `${minimal}calibration: {data: []}\n`,
      '6:21: calibration.data: expected at least 1 list item, found 0',
    ],
    [
      'a number in a list of data',
      `${minimal}calibration: {data: [a.txt, 3]}\n`,
      '6:29: calibration.data.1: expected the path of a text file, or a map with path or hub, found 3',
    ],
    [
      'an address that is none in a list of data',
      `${minimal}calibration: {data: [a.txt, "hf://allenai/c4"]}\n`,
      '6:29: calibration.data.1: expected hf://datasets/org/name/files, found "hf://allenai/c4"',
    ],
    [
      'weight of zero',
      `${minimal}calibration: {data: [{path: a, weight: 0}]}\n`,
      '6:40: calibration.data.0.weight: expected more than 0, found 0',
    ],
    [
      'unknown key in data',
      `${minimal}calibration: {data: [{path: a, wieght: 1}]}\n`,
      '6:32: calibration.data.0: unknown key "wieght"; did you mean "weight"?',
    ],
    [
      'data from nowhere',
      `${minimal}calibration: {data: {field: text}}\n`,
      '6:15: calibration.data.path: missing; give path, or hub and files',
    ],
    [
      'data from two places',
      `${minimal}evaluation: {data: {path: a, hub: org/b, files: c}}\n`,
      '6:21: evaluation.data: unknown key "path"; allowed here: hub, files, revision, field',
    ],
    [
      'a dataset without files',
      `${minimal}evaluation: {data: {hub: org/name}}\n`,
      '6:14: evaluation.data.files: missing; which files of the dataset, for example "data/train-*.parquet"',
    ],
    [
      'a revision of a file',
      `${minimal}calibration: {data: [{path: a, revision: main}]}\n`,
      '6:32: calibration.data.0: unknown key "revision"; allowed here: path, field, weight',
    ],
    [
      'an address that is none',
      `${minimal}calibration: {data: "hf://allenai/c4"}\n`,
      '6:21: calibration.data: expected hf://datasets/org/name/files, found "hf://allenai/c4"',
    ],
    [
      'an address that is none under path',
      `${minimal}calibration: {data: [{path: "hf://datasets/a--b/c/d"}]}\n`,
      '6:29: calibration.data.0.path: expected hf://datasets/org/name/files, found "hf://datasets/a--b/c/d"',
    ],
    [
      'a name that no dataset has',
      `${minimal}evaluation: {data: {hub: org/name@v1, files: a}}\n`,
      '6:26: evaluation.data.hub: expected org/name, found "org/name@v1"',
    ],
    [
      'a revision that is none',
      `${minimal}evaluation: {data: {hub: org/name, files: a, revision: ../b}}\n`,
      '6:56: evaluation.data.revision: expected a branch, a tag or a commit, found "../b"',
    ],
    [
      'an unknown key of evaluation data',
      `${minimal}evaluation: {data: {path: a, weight: 1}}\n`,
      '6:30: evaluation.data: unknown key "weight"; allowed here: path, field',
    ],
    [
      'no samples',
      `${minimal}calibration: {data: a, samples: 0}\n`,
      '6:33: calibration.samples: expected at least 1, found 0',
    ],
    [
      'too many tokens',
      `${minimal}calibration: {data: a, samples: 1000000}\n`,
      '6:33: calibration.samples: samples × sequence_length is 2048000000 tokens, the limit is 268435456',
    ],
    [
      'unknown kind of windows',
      `${minimal}calibration: {data: a, windows: documents}\n`,
      '6:33: calibration.windows: expected one of contiguous, random, document, found "documents"; did you mean "document"?',
    ],
    [
      'context too short',
      `${minimal}evaluation: {data: a, context: 1}\n`,
      '6:32: evaluation.context: expected at least 2, found 1',
    ],
    [
      'size in other units',
      `${minimal}write: {max_shard_size: 5GiB}\n`,
      '6:25: write.max_shard_size: expected a number of bytes, or a number with B, KB, MB, GB or TB (decimal: 1GB is 1000000000 bytes), found "5GiB"',
    ],
    [
      'size of nothing',
      `${minimal}write: {max_shard_size: 0B}\n`,
      '6:25: write.max_shard_size: expected a number of bytes,',
    ],
    [
      'another dtype',
      `${minimal}write: {dtype: float16}\n`,
      '6:16: write.dtype: expected one of auto, same, found "float16"',
    ],
    [
      'too many workers',
      `${minimal}resources: {workers: 257}\n`,
      '6:22: resources.workers: expected auto or an integer from 1 to 256, found 257',
    ],
    [
      'memory limit in words',
      `${minimal}resources: {memory_limit: all}\n`,
      '6:27: resources.memory_limit: expected auto, or a number of bytes,',
    ],
  ])('%s', (_, text, message) => {
    const actual = failure(text).replace(/^run\.yaml: \d+ problems\n/, '');
    expect(actual.slice(0, message.length + 9)).toBe(`run.yaml:${message}`);
  });

  it('is listed with all the others, by line and column', () => {
    const message = failure(
      'model: 1\nprune: {method: sparsegpt, sparsity: 7, options: {damping: x, y: 1}}\nwrit: 1\n',
    );
    const places = [...message.matchAll(/^run\.yaml:(\d+):(\d+)/gm)].map(
      (match) => `${match[1]}:${match[2]}`,
    );
    expect(places).toEqual(['1:1', '1:8', '2:38', '2:60', '2:63', '3:1']);
    expect(message).toMatch(/^run\.yaml: 6 problems\n/);
  });

  it('is counted and cut off when there are too many', () => {
    const text = `${minimal}  rules:\n${'    - {match: a}\n'.repeat(70)}`;
    expect(failure(text)).toMatch(/^run\.yaml: 70 problems\n/);
    expect(failure(text)).toMatch(/\n… and 20 more$/);
  });

  it('in a long line is shown with the part around it', () => {
    const line = `output: {${'x'.repeat(300)}: 1}`;
    const [, source = '', caret = ''] = failure(
      `model: m\n${line}\nprune: {method: magnitude, sparsity: 0}\n`,
    ).split('\n');
    expect(source.length).toBeLessThan(120);
    expect(source[caret.indexOf('^')]).toBe('{');
  });
});

describe('a file that is not a run file', () => {
  it.each<[string, string | Uint8Array, string]>([
    ['empty', '', 'run.yaml: the file is empty'],
    ['only comments', '# nothing\n', 'run.yaml: the file is empty'],
    ['a list', '- a\n', 'run.yaml:1:1: expected a map, found a list\n  1 | - a\n    | ^'],
    ['text', 'hello', 'run.yaml:1:1: expected a map, found "hello"'],
    ['an open bracket', 'a: [1, 2\nb: 3\n', 'run.yaml:2:1: not valid YAML: '],
    ['a tab', 'a:\n\tb: 1\n', 'run.yaml:2:1: not valid YAML: Tabs are not allowed as indentation'],
    [
      'a key given twice',
      `${minimal}model: x\n`,
      'run.yaml:6:1: not valid YAML: this key was given before in the same map',
    ],
    [
      'two documents',
      `${minimal}---\n${minimal}`,
      'run.yaml:6:1: not valid YAML: a second document begins here',
    ],
    ['a tag', 'model: !!python/object x\n', 'run.yaml:1:8: not valid YAML: Unresolved tag'],
    ['an unknown alias', 'model: *x\n', 'run.yaml:1:8: not valid YAML: '],
    ['a list as a key', '? [a]\n: 1\n', 'run.yaml:1:3: not valid here: a key must be a plain word'],
    ['not UTF-8', new Uint8Array([0x6d, 0x3a, 0x20, 0xff]), 'run.yaml: not UTF-8 text'],
    [
      'too large',
      `${minimal}#${'x'.repeat(1_000_000)}`,
      `run.yaml: ${minimal.length + 1_000_001} bytes; a run file has 100000 at most`,
    ],
    [
      'an alias bomb',
      `a: &a [${'x,'.repeat(9)}]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]\n`,
      'run.yaml: not valid YAML: aliases may be expanded 100 times at most',
    ],
    ['__proto__', `${minimal}__proto__: {model: x}\n`, 'run.yaml:6:1: unknown key "__proto__"'],
    ['a merge key', `${minimal}write:\n  <<: {dtype: same}\n`, 'run.yaml:7:3: write: unknown key "<<"'],
  ])('%s', (_, text, message) => {
    expect(failure(text).slice(0, message.length)).toBe(message);
  });

  it('is nested without end', () => {
    const stairs = Array.from({ length: 100 }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
    for (const text of ['['.repeat(100_000), '{a: '.repeat(25_000), '- '.repeat(90), '? '.repeat(90), stairs])
      expect(failure(text)).toBe('run.yaml: nested too deeply to read');
  });

  it('is missing, a folder', () => {
    inFolder((folder) => {
      expect(() => loadRunFile(join(folder, 'x.yaml'), schema)).toThrow(
        new RequestError(`${folder}/x.yaml: no such file`),
      );
      expect(() => loadRunFile(folder, schema)).toThrow(
        new RequestError(`${folder}: a folder, not a run file`),
      );
    });
  });
});

it('refuses unknown keys and keeps refinements of options whatever their own schema does', () => {
  const loose = createRunSchema({
    methods: { m: z.object({ a: z.int() }) },
    refinements: { none: z.object({}) },
    updates: { none: z.object({}) },
    allocations: {
      uniform: z.object({}),
      ramp: z
        .object({ from: z.number(), to: z.number() })
        .refine((o) => o.from < o.to, 'from must be below to'),
    },
  });
  const base = { model: 'm', output: 'o' };
  const parse = (prune: object) =>
    loose.safeParse({ ...base, prune: { method: 'm', sparsity: 0, ...prune } }).success;
  expect(parse({ options: { a: 1 } })).toBe(true);
  expect(parse({})).toBe(false);
  expect(parse({ options: { a: 1, b: 1 } })).toBe(false);
  expect(parse({ options: { a: 1 }, allocation: { name: 'ramp', from: 0, to: 1 } })).toBe(true);
  expect(parse({ options: { a: 1 }, allocation: { name: 'ramp', from: 1, to: 0 } })).toBe(false);
  expect(parse({ options: { a: 1 }, allocation: { name: 'ramp', from: 0, to: 1, x: 1 } })).toBe(false);
});
