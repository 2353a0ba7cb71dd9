/**
 * What the processors were busy with.
 * @module
 */
import { readFileSync } from 'node:fs';

/** Ticks of /proc a second, on every Linux that Node runs on. */
const TICKS = 100;

/**
 * Processor seconds since the system started, of all processes and of this one with the children it waited for.
 *
 * @returns {{at: number, all: number, own: number} | undefined} undefined where there is no /proc
 */
export function processorTimes() {
  try {
    const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const own = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
      // utime, stime, cutime, cstime
      .slice(11, 15)
      .reduce((sum, ticks) => sum + Number(ticks), 0);
    return {
      at: performance.now() / 1000,
      all: (user + nice + system + irq + softirq) / TICKS,
      own: own / TICKS,
    };
  } catch {
    return undefined;
  }
}
