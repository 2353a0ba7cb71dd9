/**
 * A preload module (`node --import`) that makes calls fail, in every thread of a process: SECATEUR_FAULTS is a JSON
 * list of rules `{call, path, nth, thread, effect}`. `call` is `startup`, a function of node:fs, or `handle.write` or
 * `handle.sync` of file handles; `path` a regular expression for the file; `nth` the call that fails, counted in each
 * thread from 1; `thread` `main` or `worker`; `effect` one of
 *   {code: 'EIO'}             fails with that error
 *   {exit: 3}                 ends the thread, or the process when it is the main one
 *   {uncaught: 'words'}       throws outside of any call
 *   {heap: true}              fills the JavaScript heap
 *   {signals: ['SIGINT']}     sends signals to the process and waits 50 ms after each
 *   {sleep: 1000}             waits inside a native call for that many milliseconds
 *   {fill: 'file'}            writes that file until its disk is full, and goes on
 *   {truncate: 'file'}        cuts that file to half its size and goes on
 */
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';

const thread = isMainThread ? 'main' : 'worker';
const rules = JSON.parse(process.env.SECATEUR_FAULTS ?? '[]')
  .filter((rule) => rule.thread === undefined || rule.thread === thread)
  .map((rule) => ({ ...rule, pattern: new RegExp(rule.path ?? ''), calls: 0 }));
const paths = new Map();
const { openSync, writeSync } = fs;

function fillDisk(file) {
  const descriptor = openSync(file, 'w');
  for (let size = 1 << 16; size >= 1; ) {
    try {
      writeSync(descriptor, new Uint8Array(size));
    } catch {
      size >>= 1;
    }
  }
}

function act(call, path) {
  for (const rule of rules) {
    if (rule.call !== call || !rule.pattern.test(String(path)) || ++rule.calls !== (rule.nth ?? 1)) continue;
    const { code, exit, uncaught, heap, signals, sleep, fill, truncate } = rule.effect;
    if (code !== undefined) {
      const errno = constants.errno[code];
      throw Object.assign(new Error(`${code}: injected, ${call}`), { code, errno: -errno, syscall: call });
    }
    if (exit !== undefined) process.exit(exit);
    if (uncaught !== undefined)
      setImmediate(() => {
        throw new Error(uncaught);
      });
    if (heap) for (const hog = []; ; ) hog.push(new Array(100_000).fill(hog.length + 0.5));
    for (const signal of signals ?? []) {
      process.kill(process.pid, signal);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
    if (sleep !== undefined)
      createRequire(import.meta.url)('koffi')
        .load(null)
        .func('int usleep(unsigned int)')(sleep * 1000);
    if (fill !== undefined) fillDisk(fill);
    if (truncate !== undefined) fs.truncateSync(truncate, fs.statSync(truncate).size >> 1);
  }
}

const wanted = (call) => rules.some((rule) => rule.call === call);

fs.openSync = (path, ...rest) => {
  act('openSync', path);
  const descriptor = openSync(path, ...rest);
  paths.set(descriptor, path);
  return descriptor;
};
const { mkdirSync } = fs;
fs.mkdirSync = (path, ...rest) => {
  act('mkdirSync', path);
  return mkdirSync(path, ...rest);
};
for (const call of ['readSync', 'writeSync', 'fdatasyncSync', 'ftruncateSync']) {
  const original = fs[call];
  if (wanted(call))
    fs[call] = (descriptor, ...rest) => {
      act(call, paths.get(descriptor));
      return original(descriptor, ...rest);
    };
}

const { open } = fs.promises;
fs.promises.open = async (path, ...rest) => {
  const handle = await open(path, ...rest);
  for (const [method, call] of [
    ['write', 'handle.write'],
    ['writeFile', 'handle.write'],
    ['sync', 'handle.sync'],
  ]) {
    const original = handle[method].bind(handle);
    handle[method] = async (...args) => {
      act(call, path);
      return await original(...args);
    };
  }
  return handle;
};
syncBuiltinESMExports();

act('startup', '');
