#!/usr/bin/env node
import { main } from './main.ts';

// With a listener, a write beyond the limit on file sizes (ulimit -f) fails like any other; without, it ends the process.
process.on('SIGXFSZ', () => {});

// A reader that has seen enough, such as `head`, or a terminal that is gone, ends no work; a full disk does, in one line.
const isClosed = (error: NodeJS.ErrnoException): boolean => error.code === 'EPIPE' || error.code === 'EIO';
process.stderr.on('error', (error) => isClosed(error) || process.exit(1));
process.stdout.on('error', (error) => {
  if (isClosed(error)) return;
  process.stderr.write(`sparring: cannot write to standard output: ${error.message}\n`);
  process.exit(1);
});

process.exitCode = await main(process.argv.slice(2));
