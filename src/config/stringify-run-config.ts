/**
 * A resolved run config as YAML again.
 * @module
 */
import { stringify } from 'yaml';
import type { RunConfig } from './run-schema.js';

/**
 * The run file that `output/secateur/run.yaml` keeps: every default written out, paths absolute, sizes in bytes.
 * Loading it gives an equal config. Text that YAML 1.1 readers take for something else (`2:4` is 124 to them) is quoted.
 */
export function stringifyRunConfig(config: RunConfig): string {
  const head = '# Written by secateur: the run file with every default written out.\n';
  return (
    head +
    stringify(config, {
      version: '1.2',
      schema: 'core',
      compat: 'yaml-1.1',
      lineWidth: 0,
      aliasDuplicateObjects: false,
    })
  );
}
