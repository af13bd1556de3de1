import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

/** Why there is no pseudo-terminal here; false where there is one. */
export const noTerminal: string | false =
  process.platform !== 'linux'
    ? 'pseudo-terminals are made with script of util-linux'
    : spawnSync('script', ['--version']).status === 0
      ? false
      : 'script (Debian: bsdutils) is not installed';

/** A command in a pseudo-terminal. */
export interface Terminal {
  /** Of `script`, which holds the terminal. */
  readonly process: ChildProcess;
  /** Types something: `\\x03` is Ctrl-C, which reaches all processes of the terminal's foreground group. */
  readonly type: (text: string) => void;
  /** Everything on the screen so far, with control sequences. */
  readonly text: () => string;
  /** Waits until the screen has held `text`. Throws when the command ends before. */
  readonly says: (text: string) => Promise<void>;
  /** The exit code of the command. */
  readonly finished: Promise<number | null>;
}

/** Runs a command in a pseudo-terminal of some columns. */
export function inTerminal(
  command: readonly string[],
  { cwd, env = {}, columns = 80 }: { cwd: string; env?: NodeJS.ProcessEnv; columns?: number },
): Terminal {
  const quoted = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  const child = spawn('script', ['-qfec', `stty cols ${columns}; exec ${quoted}`, '/dev/null'], {
    cwd,
    env: { ...process.env, SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return {
    process: child,
    type: (typed) => void child.stdin.write(typed),
    text: () => text,
    says: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (text.includes(wanted)) resolve();
        };
        child.stdout.on('data', look);
        child.on('close', () => reject(new Error(`it ended without "${wanted}":\n${text}`)));
        look();
      }),
    finished: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code));
    }),
  };
}

/**
 * A program that runs another one as package runners do: as a child of the same terminal, to which it relays each signal
 * that it gets. Arguments: the program and its arguments.
 */
export const relay: readonly string[] = [
  process.execPath,
  '-e',
  `const child = require('node:child_process').spawn(process.argv[1], process.argv.slice(2), {
    stdio: 'inherit',
    env: { ...process.env, npm_lifecycle_event: 'train' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code ?? 1));`,
  '--',
];
