/**
 * A task that does nothing but start a worker.
 * @module
 */
export default function warmUp(): void {}
