// Loaded into a measured process (node --import): tells its parent, over descriptor 3, what it used.
import { readFileSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

// Worker threads load this too; their exit is not the process's.
function report() {
  const { user, system } = process.cpuUsage();
  let peak = process.resourceUsage().maxRSS * 1024;
  try {
    // Unlike maxRSS this is not inherited from the process that started this one.
    peak = Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  } catch {
    // Not Linux.
  }
  const seconds = process.uptime();
  writeSync(3, JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, peak }));
}

if (isMainThread) process.on('exit', report);
