#!/usr/bin/env node
import { exitNow } from '../system/exit-now.js';
import { version } from '../version.js';
/**
 * The `secateur` program.
 * @module
 */
import { loadLibrary } from './load-library.js';
import { runCli } from './run-cli.js';

// `secateur inspect … | head` closes the pipe early; that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
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
