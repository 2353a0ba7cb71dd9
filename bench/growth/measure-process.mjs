/**
 * Runs a process to its end and watches its memory.
 * @module
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const INTERVAL_MILLISECONDS = 20;

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<{seconds: number, peakRss: number, peakAnonymous: number, peakFile: number, stdout: string}>} bytes:
 *   the highest resident set (the kernel's own mark), and the highest of its anonymous and of its file-backed part
 * @throws when the process fails, with the end of what it said
 */
export async function measureProcess(command, args) {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const peak = { peakRss: 0, peakAnonymous: 0, peakFile: 0 };
  const sample = () => {
    const status = memoryStatus(child.pid);
    if (!status) return;
    // VmHWM is brought up to date by the kernel at some moments only; the parts' sum is exact.
    const { VmHWM, RssAnon, RssFile, RssShmem } = status;
    peak.peakRss = Math.max(peak.peakRss, VmHWM, RssAnon + RssFile + RssShmem);
    peak.peakAnonymous = Math.max(peak.peakAnonymous, RssAnon);
    peak.peakFile = Math.max(peak.peakFile, RssFile + RssShmem);
  };
  const timer = setInterval(sample, INTERVAL_MILLISECONDS);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr = (stderr + text).slice(-4000);
  });
  try {
    const code = await new Promise((resolve, reject) => {
      child.on('error', reject).on('close', (exit, signal) => resolve(exit ?? signal));
    });
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`);
    return { seconds: (performance.now() - started) / 1000, ...peak, stdout };
  } finally {
    clearInterval(timer);
  }
}

/** The memory lines of /proc/PID/status in bytes; undefined when the process has gone. */
function memoryStatus(pid) {
  let text;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined;
  }
  const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  const status = Object.fromEntries(
    ['VmHWM', 'RssAnon', 'RssFile', 'RssShmem'].map((name) => [name, bytes(name)]),
  );
  return Number.isNaN(status.VmHWM) ? undefined : status;
}
