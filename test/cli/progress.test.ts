import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { coloursFor } from '../../src/cli/colours.js';
import { openProgressDisplay } from '../../src/cli/progress/open-progress-display.js';
import { ProgressBars } from '../../src/cli/progress/progress-bars.js';
import { progressLine } from '../../src/cli/progress/progress-line.js';
import { ProgressLines } from '../../src/cli/progress/progress-lines.js';
import type { ProgressEvent, ProgressListener } from '../../src/pipeline/progress/progress.js';
import { StageClock } from '../../src/pipeline/progress/stage-clock.js';
import { FakeTerminal } from './fake-terminal.js';

class Log extends Writable {
  text = '';
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
}

const step = (block: number, done: number, extra = {}): ProgressEvent => ({
  kind: 'step',
  stage: 'prune',
  phase: 'solve',
  block,
  blocks: 4,
  blocksDone: block,
  done,
  total: 10,
  ...extra,
});
const block = (index: number, blocks = 4): ProgressEvent => ({
  kind: 'block',
  stage: 'prune',
  block: index,
  blocks,
  blocksDone: index + 1,
  seconds: 1.25,
  sparsity: 0.5,
  outputError: 0.0123,
});

const download = (bytesDone: number, extra = {}): ProgressEvent => ({
  kind: 'download',
  model: 'org/a-name-of-some-length',
  files: 7,
  filesDone: 0,
  bytes: 270e6,
  bytesDone,
  ...extra,
});
const downloaded: ProgressEvent = {
  kind: 'download-end',
  model: 'org/a-name-of-some-length',
  files: 7,
  received: 270e6,
  seconds: 22.5,
};

/** What the stage of gradients tells of four blocks. @param pause called after each step */
function tellGradients(listener: ProgressListener, pause: () => void): void {
  const clock = new StageClock('gradients', 4, 0, listener);
  clock.step('forward', 3, 8, 8);
  pause();
  for (const index of [3, 2, 1, 0]) {
    clock.step('backward', index, 1, 2);
    pause();
    clock.block(index, 1.5);
  }
  clock.end();
}

describe('ProgressBars', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('draws stage and phase, leaves a line per stage, and gives the terminal back', () => {
    const terminal = new FakeTerminal(80);
    const bars = new ProgressBars(terminal, coloursFor(terminal, {}));
    bars.listener({ kind: 'stage', stage: 'evaluate dense', blocks: 4 });
    bars.listener({ kind: 'stage-end', stage: 'evaluate dense', seconds: 2 });
    bars.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    bars.listener(block(0));
    bars.listener(step(1, 5, { tokensPerSecond: 1234.4, etaSeconds: 61 }));
    vi.advanceTimersByTime(300);
    expect(terminal.screen).toEqual([
      '✓ evaluate dense  4 blocks, 2.00 s',
      expect.stringMatching(/^prune +━+─+ {2}1\/4 blocks {2}1 min 01 s left {2}1,234 tokens\/s$/),
      expect.stringMatching(/^ {2}solve +━+─+ {2}50 %$/),
    ]);
    expect(terminal.cursorVisible).toBe(false);
    bars.listener({ kind: 'note', message: 'damping raised' });
    expect(terminal.screen[1]).toBe('note: damping raised');
    expect(terminal.screen).toHaveLength(4);
    bars.listener({ kind: 'stage-end', stage: 'prune', seconds: 75 });
    bars.close();
    bars.close();
    vi.advanceTimersByTime(1000);
    expect(terminal.screen).toEqual([
      '✓ evaluate dense  4 blocks, 2.00 s',
      'note: damping raised',
      '✓ prune  4 blocks, 1 min 15 s',
    ]);
    expect(terminal.cursorVisible).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('counts up while gradients go from the last block to the first', () => {
    const terminal = new FakeTerminal(80);
    const bars = new ProgressBars(terminal, coloursFor(terminal, {}));
    const seen: [string | undefined, number][] = [];
    tellGradients(bars.listener, () => {
      vi.advanceTimersByTime(300);
      const [line = ''] = terminal.screen;
      seen.push([line.match(/\d\/4 blocks/)?.[0], line.split('━').length - 1]);
    });
    bars.close();
    const done = [0, 0, 1, 2, 3];
    expect(seen.map(([blocks]) => blocks)).toEqual(done.map((count) => `${count}/4 blocks`));
    expect(seen.map(([, columns]) => columns)).toEqual(done.map((count) => count * 9));
  });

  it('draws a download before the first stage', () => {
    const terminal = new FakeTerminal(80);
    const bars = new ProgressBars(terminal, coloursFor(terminal, {}));
    bars.listener(download(0));
    bars.listener(download(60e6, { bytesPerSecond: 12e6, etaSeconds: 17.5 }));
    vi.advanceTimersByTime(300);
    expect(terminal.screen).toEqual([
      expect.stringMatching(/^fetch +━+─+ {2}60\.0 MB of 270 MB {2}18 s left {2}12\.0 MB\/s$/),
    ]);
    bars.listener(downloaded);
    bars.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    expect(terminal.screen[0]).toBe('✓ fetch org/a-name-of-some-length  7 files, 270 MB, 22.5 s');
    expect(terminal.screen[1]).toMatch(/^prune/);
    bars.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('redraws a bounded number of times a second, however many events come', () => {
    const terminal = new FakeTerminal(80);
    const bars = new ProgressBars(terminal, coloursFor(terminal, {}));
    bars.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    for (let i = 0; i < 10_000; i++) {
      bars.listener(step(0, (i / 1000) % 10));
      if (i % 10 === 0) vi.advanceTimersByTime(1);
    }
    // A second has passed; a frame draws a line of some 150 bytes at most twice.
    expect(terminal.raw.split('solve').length).toBeLessThan(12);
    bars.close();
    expect(terminal.screen).toEqual([]);
  });

  it('erases what is drawn when a run stops in the middle', () => {
    const terminal = new FakeTerminal(80);
    const bars = new ProgressBars(terminal, coloursFor(terminal, {}));
    bars.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    bars.listener(step(0, 1));
    vi.advanceTimersByTime(500);
    bars.message('stopping');
    bars.close();
    expect(terminal.screen).toEqual(['stopping']);
    expect(terminal.cursorVisible).toBe(true);
  });

  it.each([20, 30, 45, 60, 200])('fits %d columns', (columns) => {
    // The fake terminal throws on a line that is too wide.
    const terminal = new FakeTerminal(columns);
    const bars = new ProgressBars(terminal, coloursFor(terminal, { NO_COLOR: '1' }));
    bars.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    bars.listener(step(2, 5, { tokensPerSecond: 123456, etaSeconds: 36_000 }));
    vi.advanceTimersByTime(300);
    expect(terminal.screen[0]).toContain('2/4');
    bars.close();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looks for colour sequences
    expect(terminal.raw).not.toMatch(/\u001b\[\d*m/);
  });
});

describe('progressLine', () => {
  const plain = { green: String, dim: String, label: String };
  it('fills in proportion, clamped', () => {
    const filled = (fraction: number) =>
      progressLine({ label: 'x', fraction, figures: ['1/2'] }, 100, plain).split('━').length - 1;
    expect([filled(-1), filled(0), filled(0.5), filled(1), filled(7)]).toEqual([0, 0, 18, 36, 36]);
  });
});

describe('ProgressLines', () => {
  it('writes at most one line for blocks every few seconds', () => {
    const log = new Log();
    let now = 0;
    const lines = new ProgressLines(log, () => now);
    lines.listener({ kind: 'stage', stage: 'prune', blocks: 100 });
    for (let i = 0; i < 100; i++) {
      lines.listener(step(i, 1, { blocks: 100, tokensPerSecond: 1000, etaSeconds: 50 - i / 2 }));
      now += 500;
      lines.listener(block(i, 100));
    }
    lines.listener({ kind: 'stage-end', stage: 'prune', seconds: 50 });
    expect(log.lines[0]).toBe('prune: 100 blocks');
    expect(log.lines[1]).toBe(
      'prune: 1/100 blocks, sparsity 50.00 %, output error 0.0123, last block 1.25 s, 1,000 tokens/s, 50 s left',
    );
    expect(log.lines.at(-1)).toBe('prune: done in 50.0 s');
    // 50 seconds at one line in 3 seconds, the first at once.
    expect(log.lines.length - 2).toBe(17);
  });

  it('writes a line of a download every few seconds', () => {
    const log = new Log();
    let now = 0;
    const lines = new ProgressLines(log, () => now);
    lines.listener(download(0));
    for (; now < 7_000; now += 10)
      lines.listener(download(now * 12e3, { bytesPerSecond: 12e6, etaSeconds: 22.5 - now / 1000 }));
    lines.listener(downloaded);
    expect(log.lines).toEqual([
      'fetch org/a-name-of-some-length: 7 files, 270 MB',
      'fetch org/a-name-of-some-length: 36.0 MB of 270 MB, 12.0 MB/s, 20 s left',
      'fetch org/a-name-of-some-length: 72.0 MB of 270 MB, 12.0 MB/s, 17 s left',
      'fetch org/a-name-of-some-length: done, 7 files, 270 MB, 22.5 s',
    ]);
  });

  it('shows a sign of life within a long block', () => {
    const log = new Log();
    let now = 0;
    const lines = new ProgressLines(log, () => now);
    lines.listener({ kind: 'stage', stage: 'prune', blocks: 4 });
    for (; now < 60_000; now += 1000) lines.listener(step(2, now / 10_000));
    expect(log.lines.slice(1).map((line) => line.replace(/\d+ %/, '%'))).toEqual([
      'prune: 2/4 blocks, solve %',
      'prune: 2/4 blocks, solve %',
      'prune: 2/4 blocks, solve %',
    ]);
  });

  it('counts up while gradients go from the last block to the first', () => {
    const log = new Log();
    let now = 0;
    const lines = new ProgressLines(log, () => now);
    tellGradients(lines.listener, () => {
      now += 30_000;
    });
    expect(log.lines.map((line) => line.replace(/, last block.*/, ''))).toEqual([
      'gradients: 4 blocks',
      'gradients: 0/4 blocks, backward 50 %',
      'gradients: 1/4 blocks',
      'gradients: 2/4 blocks',
      'gradients: 3/4 blocks',
      expect.stringMatching(/^gradients: done in/),
    ]);
  });

  it('never drops a note', () => {
    const log = new Log();
    const lines = new ProgressLines(log, () => 0);
    for (let i = 0; i < 5; i++) lines.listener({ kind: 'note', message: `note ${i}` });
    expect(log.lines).toEqual([0, 1, 2, 3, 4].map((i) => `note: note ${i}`));
  });
});

describe('openProgressDisplay', () => {
  it('draws bars only on a terminal that can', () => {
    const terminal = new FakeTerminal();
    expect(openProgressDisplay({ stderr: terminal, env: {} })).toBeInstanceOf(ProgressBars);
    expect(openProgressDisplay({ stderr: terminal, env: { TERM: 'dumb' } })).toBeInstanceOf(ProgressLines);
    expect(openProgressDisplay({ stderr: new Log(), env: {} })).toBeInstanceOf(ProgressLines);
  });
});

describe('coloursFor', () => {
  it('colours terminals unless NO_COLOR says otherwise', () => {
    const terminal = new FakeTerminal();
    expect(coloursFor(terminal, {}).red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(coloursFor(terminal, { NO_COLOR: '1' }).red('x')).toBe('x');
    expect(coloursFor(terminal, { NO_COLOR: '' }).red('x')).not.toBe('x');
    expect(coloursFor(new Log(), {}).red('x')).toBe('x');
  });
});
