// One `prune` as a process of its own, sent a signal at a drawn moment or at a drawn change in its output folder.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What a change of a file in the output is about. */
export function subject(name) {
  if (/^model.*\.safetensors(\.partial)?$/.test(name)) return 'shard';
  if (/\.index\.json(\.tmp)?$/.test(name)) return 'index';
  if (/^journal/.test(name)) return 'journal';
  if (/^report\./.test(name)) return 'report';
  if (/\.hidden$/.test(name)) return 'hidden states';
  if (/\.f32(\.tmp)?$/.test(name)) return 'gradients or block';
  if (name === 'lock') return 'lock';
  return 'other files';
}

/** Calls `onChange` with the name of every file that changes in the output and its run folder. */
function watchOutput(output, onChange) {
  mkdirSync(output, { recursive: true });
  const folder = join(output, 'secateur');
  const watchers = [];
  let inner;
  const watchInner = () => {
    if (inner || !existsSync(folder)) return;
    try {
      inner = watch(folder, (_, name) => onChange(name ?? ''));
      inner.on('error', () => {});
      watchers.push(inner);
    } catch {
      // It has gone again.
    }
  };
  watchers.push(
    watch(output, (_, name) => {
      if (name === 'secateur') watchInner();
      else onChange(name ?? '');
    }),
  );
  watchInner();
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}

/** What a run that heard a signal exits with. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 };
/** A second signal comes so long after the first. */
const AGAIN_MS = 20;

/**
 * @param kill undefined, `{signals, after: ms}`, or `{signals, subject, count, delay: ms}`: at the count-th change of such a file
 * @returns exit code, seconds, words on stderr, changes by subject, and of a run that ended by the signals the file that changed
 *   last, how many milliseconds before them, and how many seconds after them it ended
 */
export function runPrune(args, output, kill) {
  return new Promise((resolve) => {
    const started = performance.now();
    const changes = {};
    let last;
    let killed;
    let timer;
    const end = () => {
      if (killed) return;
      const now = performance.now();
      const [first, second] = kill.signals;
      if (child.kill(first)) killed = { at: now, last: last?.name, since: last ? now - last.at : Infinity };
      if (second) timer = setTimeout(() => child.kill(second), AGAIN_MS);
    };
    const unwatch = watchOutput(output, (name) => {
      last = { name, at: performance.now() };
      const about = subject(name);
      changes[about] = (changes[about] ?? 0) + 1;
      if (kill?.subject === about && changes[about] === kill.count) {
        if (kill.delay < 1) end();
        else timer = setTimeout(end, kill.delay);
      }
    });
    const child = spawn(process.execPath, [main, 'prune', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    if (kill?.after !== undefined) timer = setTimeout(end, kill.after);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      unwatch();
      const now = performance.now();
      // Before it listens, it ends by the signal itself.
      const heard = kill?.signals.some((each) => signal === each || code === EXIT_CODES[each]);
      resolve({
        ...{ code, signal, seconds: (now - started) / 1000, stderr, changes },
        killed: killed && heard ? { ...killed, seconds: (now - killed.at) / 1000 } : undefined,
      });
    });
  });
}
