/** Disks, files and workers that fail in the middle of a run. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, type StartOptions, Workplace } from './real-run.js';

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
});
afterAll(() => place.dispose());

/** The run fails with exit code 1 and these words, and says that it can be gone on with. */
async function expectFailure(output: string, options: StartOptions, words: RegExp): Promise<void> {
  const ended = await place.prune(output, options);
  expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' });
  expect(ended.stderr).toMatch(words);
  expect(ended.stderr).toContain(`blocks are finished in ${output}; the same command goes on from there`);
  expect(ended.stderr).not.toContain('not expected');
}

const SHARD = '\\.safetensors\\.partial$';

describe('a file that fails in the middle of a run', () => {
  it.concurrent.each<[string, Fault, RegExp]>([
    [
      'no space for a tensor',
      { call: 'writeSync', path: SHARD, nth: 9, thread: 'worker', effect: { code: 'ENOSPC' } },
      /prune, model\.layers\.\d: cannot write .*model-0000\d-of-00002\.safetensors\.partial: no space left/,
    ],
    [
      'an I/O error within a shard',
      { call: 'writeSync', path: SHARD, nth: 12, thread: 'worker', effect: { code: 'EIO' } },
      /prune, model\.layers\.\d: cannot write .*model-0000\d-of-00002\.safetensors\.partial: EIO/,
    ],
    [
      'a shard that can not be synced',
      { call: 'handle.sync', path: SHARD, nth: 2, effect: { code: 'EIO' } },
      /cannot sync .*model-0000\d-of-00002\.safetensors\.partial: EIO/,
    ],
    [
      'hidden states that can not be read',
      { call: 'readSync', path: '\\.hidden$', nth: 9, thread: 'worker', effect: { code: 'EIO' } },
      /prune, model\.layers\.\d: cannot read .*calibration\.hidden: EIO/,
    ],
    [
      'a journal that can not be written',
      { call: 'writeSync', path: 'journal\\.jsonl$', nth: 2, effect: { code: 'EDQUOT' } },
      /cannot write .*journal\.jsonl: the disk quota is used up/,
    ],
    [
      'a copied file',
      { call: 'handle.write', path: 'tokenizer\\.json\\.tmp$', effect: { code: 'ENOSPC' } },
      /cannot write .*tokenizer\.json: no space left/,
    ],
    [
      'the index',
      { call: 'handle.write', path: 'index\\.json\\.tmp$', effect: { code: 'ENOSPC' } },
      /cannot write .*model\.safetensors\.index\.json: no space left/,
    ],
    [
      'the report',
      { call: 'handle.write', path: 'report\\.json\\.tmp$', effect: { code: 'EIO' } },
      /cannot write .*report\.json: EIO/,
    ],
    [
      'the source',
      { call: 'readSync', path: 'model/model-', nth: 45, thread: 'worker', effect: { code: 'EIO' } },
      /prune.*cannot read .*model\/model-0000\d-of-00002\.safetensors: EIO/,
    ],
  ])('%s', async (_, fault, words) => {
    const output = place.output();
    await expectFailure(output, { faults: [fault] }, words);
    await place.expectFinishes(output);
  });

  it.each([1, 3])('a journal that can not be synced while the next block is pruned (%s)', async (nth) => {
    const output = place.output();
    const sets = ['prune={method: magnitude, sparsity: 0.5}'];
    const faults: Fault[] = [{ call: 'fdatasyncSync', path: 'journal', nth, effect: { code: 'ENOSPC' } }];
    await expectFailure(output, { faults, sets }, /cannot write .*journal\.jsonl: no space left/);
    await place.expectFinishes(output, sets);
  });

  it('a source shard that is cut short while it is read', async () => {
    const output = place.output();
    const shard = join(place.model, 'model-00002-of-00002.safetensors');
    const whole = join(place.folder, 'whole');
    copyFileSync(shard, whole);
    const cut: Fault = {
      call: 'writeSync',
      path: SHARD,
      nth: 4,
      thread: 'worker',
      effect: { truncate: shard },
    };
    await expectFailure(
      output,
      { faults: [cut] },
      /model-00002-of-00002\.safetensors changed while it was being read: it had \d+ bytes and now has \d+/,
    );
    // It is refused until it is whole again.
    expect(await place.prune(output)).toMatchObject({ code: 2 });
    copyFileSync(whole, shard);
    await place.expectFinishes(output);
  });
});

describe('a worker thread that dies', () => {
  const dies = (effect: Fault['effect']): Fault[] => [
    { call: 'writeSync', path: SHARD, nth: 4, thread: 'worker', effect },
  ];

  it.concurrent.each<[string, Fault[], RegExp, string[]?]>([
    [
      'it ends',
      dies({ exit: 7 }),
      /prune, model\.layers\.\d: a worker thread failed in forward\/\S+: worker exited with code: 7/,
    ],
    [
      'it throws outside of its task',
      [{ call: 'readSync', path: '\\.hidden$', nth: 4, thread: 'worker', effect: { uncaught: 'lightning' } }],
      /a worker thread failed in \S+: lightning/,
    ],
    [
      'it runs out of heap',
      dies({ heap: true }),
      /prune, model\.layers\.\d: a worker thread failed in \S+: .*memory limit.*--max-old-space-size/,
      ['--max-old-space-size=128'],
    ],
  ])('%s', async (_, faults, words, nodeOptions = []) => {
    const output = place.output();
    await expectFailure(output, { faults, nodeOptions, sets: ['resources.workers=2'] }, words);
    await place.expectFinishes(output);
  });

  it('when none can be started, the run ends', async () => {
    const output = place.output();
    const faults: Fault[] = [{ call: 'startup', thread: 'worker', effect: { exit: 4 } }];
    const ended = await place.prune(output, { faults });
    expect(ended).toMatchObject({ code: 1, signal: null });
    expect(ended.stderr).toMatch(/a worker thread failed in runtime\/warm-up-task: /);
    expect(existsSync(output)).toBe(false);
  });
});

describe('an output that can not be written', () => {
  const words = /cannot create the folder .*: (the file system is read-only|permission denied)/;

  it.each(['EROFS', 'EACCES'])('%s: refused, nothing is left', async (code) => {
    const output = place.output();
    const ended = await place.prune(output, {
      faults: [{ call: 'mkdirSync', path: output, effect: { code } }],
    });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(words);
    expect(existsSync(output)).toBe(false);
    await place.expectFinishes(output);
  });

  it.runIf(process.getuid?.() !== 0)('a folder without permission to write', async () => {
    const folder = join(place.folder, 'locked');
    mkdirSync(folder);
    chmodSync(folder, 0o555);
    const ended = await place.prune(join(folder, 'output'));
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(words);
  });
});

describe.runIf(process.platform === 'linux')('files may only grow so large (RLIMIT_FSIZE)', () => {
  // In units of 512 bytes.
  const atMost = (bytes: number) => `ulimit -f ${Math.floor(bytes / 512)}`;

  it('less than a shard: refused, nothing is left', async () => {
    const output = place.output();
    const ended = await place.prune(output, { shell: atMost(100_000) });
    expect(ended).toMatchObject({ code: 2, signal: null });
    expect(ended.stderr).toMatch(/cannot write \d+ bytes to .*\.partial: the file is larger than .* allows/);
    expect(existsSync(output)).toBe(false);
  });

  it('less than the hidden states: the run fails', async () => {
    const output = place.output();
    const sets = ['calibration.samples=64'];
    await expectFailure(output, { shell: atMost(400_000), sets }, /calibration\.hidden/);
    await place.expectFinishes(output, sets);
  });
});

/** Whether a file system can be mounted here: as root, and not in every container. */
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.runIf(canMount())('a small disk', () => {
  const mounted: string[] = [];
  afterEach(() => {
    for (const folder of mounted.splice(0)) execFileSync('umount', [folder]);
  });

  function mount(options: string): string {
    const folder = join(place.folder, `disk-${mounted.length}`);
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
    mounted.push(folder);
    return folder;
  }

  it('that is full before the shards: refused, nothing is left', async () => {
    const disk = mount('size=300k');
    const ended = await place.prune(join(disk, 'output'));
    expect(ended).toMatchObject({ code: 2 });
    expect(ended.stderr).toMatch(/the run needs .* of disk in .* are free/);
    expect(readdirSync(disk)).toEqual([]);
  });

  it('that fills up in the middle: the run fails, and goes on when there is space', async () => {
    const disk = mount('size=4m');
    const output = join(disk, 'output');
    const faults: Fault[] = [
      { call: 'writeSync', path: SHARD, nth: 3, thread: 'worker', effect: { fill: join(disk, 'filler') } },
    ];
    await expectFailure(output, { faults }, /cannot write .*: no space left on the device \(ENOSPC\)/);
    execFileSync('mount', ['-o', 'remount,size=16m', disk]);
    await place.expectFinishes(output);
  });

  it('that is read-only: refused', async () => {
    const disk = mount('size=16m,ro');
    const ended = await place.prune(join(disk, 'output'));
    expect(ended).toMatchObject({ code: 2 });
    expect(ended.stderr).toMatch(/cannot create the folder .*: the file system is read-only/);
  });

  it('that became read-only: refused, and goes on when it can be written', async () => {
    const disk = mount('size=16m');
    const output = join(disk, 'output');
    const faults: Fault[] = [
      { call: 'writeSync', path: SHARD, nth: 10, thread: 'worker', effect: { code: 'EIO' } },
    ];
    await expectFailure(output, { faults }, /EIO/);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const ended = await place.prune(output);
    expect(ended).toMatchObject({ code: 2 });
    expect(ended.stderr).toMatch(/secateur\/lock: the file system is read-only/);
    execFileSync('mount', ['-o', 'remount,rw', disk]);
    await place.expectFinishes(output);
  });
});
