import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';

/** Runs a command line in this process and gives its exit code and what it wrote. */
export async function command(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const written = { stdout: '', stderr: '' };
  // a command that failed its demand leaves its exit code behind
  process.exitCode = undefined;
  vi.spyOn(console, 'log').mockImplementation((text) => void (written.stdout += `${text}\n`));
  vi.spyOn(console, 'error').mockImplementation((text) => void (written.stderr += `${text}\n`));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.stderr += String(text);
    return true;
  });
  try {
    return { code: await main(args), ...written };
  } finally {
    process.exitCode = undefined;
    vi.restoreAllMocks();
  }
}
