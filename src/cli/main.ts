#!/usr/bin/env node
/**
 * The `secateur` program.
 * @module
 */
import { STOPS_UNREAD } from '../compare/stops-unread.js';
import { exitNow } from '../system/exit-now.js';
import { version } from '../version.js';
import { loadLibrary } from './load-library.js';
import { runCli } from './run-cli.js';

let isStopping = false;
// Progress that can't be written is lost; the work goes on, and tidies up when it is stopped. One of another process of ours stops
// when that is gone.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' || isStopping || process.env[STOPS_UNREAD] === undefined) return;
  isStopping = true;
  process.kill(process.pid, 'SIGTERM');
});

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `secateur inspect … | head` closes the pipe early; that is no failure of ours. The code of a command that failed is set.
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`error: the result cannot be written to stdout: ${error.message}\n`);
  process.exit(process.exitCode || 1);
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  version,
  signals: process,
  loadLibrary,
  exit: exitNow,
});
