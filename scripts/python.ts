import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * Runs a Python program of this folder and gives back what it prints, as JSON.
 *
 * @param interpreter a path, or a name on the PATH.
 * @param script a file beside this one.
 * @throws Error in a few lines, with what the program said, when it cannot be run or fails.
 */
export async function runPython(
  interpreter: string,
  script: string,
  args: readonly string[],
): Promise<unknown> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(interpreter, [path, ...args], { maxBuffer: 2 ** 26 });
    return JSON.parse(stdout);
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    const said = (stderr?.trim() || message).split('\n').slice(-3).join('\n');
    throw new Error(`${interpreter} ${script} failed (another interpreter: --python PATH)\n${said}`, {
      cause,
    });
  }
}
