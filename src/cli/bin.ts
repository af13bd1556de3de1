#!/usr/bin/env node
import { main } from './main.ts';

// With a listener, a write beyond the limit on file sizes (ulimit -f) fails like any other; without, it ends the process.
process.on('SIGXFSZ', () => {});

// A reader that has seen enough, such as `head`, ends no work.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await main(process.argv.slice(2));
