import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** An empty folder for each test of a file, which is removed after it. Call it at the top; the path is that of now. */
export function temporaryFolder(): () => string {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-test-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });
  return () => folder;
}
