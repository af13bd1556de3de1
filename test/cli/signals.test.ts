import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { commandOf, sparring } from '../support/cli.ts';
import { examples, writeIdxFolder } from '../support/idx.ts';
import { inTerminal, noTerminal, relay, type Terminal } from '../support/terminal.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const source = new URL('../../src/cli/signals.ts', import.meta.url).href;

const open: ChildProcess[] = [];
afterEach(() => {
  for (const child of open.splice(0)) child.kill('SIGKILL');
});

/** A program that says which signal it was told to stop by, and does not stop. */
const stubborn = (more = ''): readonly string[] => [
  process.execPath,
  '--import',
  tsx,
  '--input-type=module',
  '-e',
  `import { onStop } from ${JSON.stringify(source)};
   const dispose = onStop((signal) => console.log('told ' + signal));
   setInterval(() => {}, 1000);
   ${more}
   console.log('ready ' + process.pid);`,
];

interface Run {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

function run(command: readonly string[], env: NodeJS.ProcessEnv = {}, detached = false): Run {
  const { npm_lifecycle_event: _, ...own } = process.env;
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...own, ...env },
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  open.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  return {
    child,
    text: () => text,
    async says(pattern) {
      for (;;) {
        const found = pattern.exec(text);
        if (found) return found;
        await sleep(20);
      }
    },
    ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal }))),
  };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(process.platform === 'win32')('onStop', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'tells of %s once, and repeats do not count',
    async (signal) => {
      const { child, says, text } = run(stubborn());
      await says(/ready/);
      child.kill(signal);
      await says(/told/);
      for (const repeat of [signal, 'SIGTERM', 'SIGINT'] as const) child.kill(repeat);
      await sleep(300);
      expect(text().match(/told .*/g)).toEqual([`told ${signal}`]);
      expect(child.exitCode).toBe(null);
    },
  );

  it('ends the process at once on a repeat after two seconds', async () => {
    const { child, says, text, ended } = run(stubborn());
    await says(/ready/);
    child.kill('SIGTERM');
    await says(/told/);
    await sleep(2100);
    child.kill('SIGINT');
    expect(await ended).toEqual({ code: 130, signal: null });
    expect(text()).toContain('SIGINT again: quitting at once');
  });

  it('leaves signals alone after it is disposed of', async () => {
    const { child, says, ended } = run(stubborn('dispose();'));
    await says(/ready/);
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('ignores a repeat that comes after it is disposed of', async () => {
    const { child, says } = run(stubborn("process.on('SIGINT', () => setTimeout(dispose, 1));"));
    await says(/ready/);
    child.kill('SIGINT');
    await says(/told/);
    await sleep(100);
    child.kill('SIGINT');
    await sleep(300);
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  });
});

describe.skipIf(process.platform !== 'linux')('a package runner that is killed', () => {
  it('stops what it has run', async () => {
    const { child, says } = run([...relay, ...stubborn()]);
    const pid = Number((await says(/ready (\d+)/))[1]);
    child.kill('SIGKILL');
    expect((await says(/told (.*)/))[1]).toBe('SIGTERM');
    process.kill(pid, 'SIGKILL');
  });

  it('stops it also where another runner is in between', async () => {
    const { child, says } = run([...relay, ...relay, ...stubborn()]);
    const pid = Number((await says(/ready (\d+)/))[1]);
    child.kill('SIGKILL');
    expect((await says(/told (.*)/))[1]).toBe('SIGTERM');
    process.kill(pid, 'SIGKILL');
  });

  it.each<[string, readonly string[]]>([
    ['a daemon', [...relay, 'setsid', ...stubborn()]],
    ['what was not run by one', ['sh', '-c', '"$@"; :', 'sh', ...stubborn()]],
  ])('does not stop %s', async (_, command) => {
    const { child, says, text } = run(command);
    const pid = Number((await says(/ready (\d+)/))[1]);
    child.kill('SIGKILL');
    await sleep(1500);
    expect(text()).not.toContain('told');
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });
});

describe.skipIf(noTerminal)(`in a terminal${noTerminal ? `: skipped, ${noTerminal}` : ''}`, () => {
  let cwd: string;
  const newRun = (out: string): string[] => [
    ...'train --data data --device cpu --threads 1 --eps 0.3 --seed 5 --batch-size 8'.split(' '),
    ...`--classifier-epochs 1 --attacker-epochs 2 --out ${out}`.split(' '),
  ];
  const checkpoint = 'consecutive-eps0.3-seed5/checkpoint/state.safetensors';
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-terminal-'));
    await writeIdxFolder(join(cwd, 'data'), { train: examples(160), test: examples(20) });
  });
  afterAll(async () => {
    await rm(cwd, { recursive: true });
  });
  const started = (command: readonly string[], columns = 80): Terminal => {
    const terminal = inTerminal(command, { cwd, columns });
    open.push(terminal.process);
    return terminal;
  };

  it(
    'Ctrl-C saves a checkpoint and says how to resume, although the package runner relays it; the run ends with its table',
    async () => {
      const terminal = started([...relay, ...commandOf(newRun('runs/a'))]);
      await terminal.says('attacker epoch 1/2');
      terminal.type('\x03');
      expect(await terminal.finished).toBe(130);
      const lines = stripVTControlCharacters(terminal.text()).split(/\r?\n/);
      expect(lines[0]).toBe('preparing the run');
      expect(lines.find((line) => line.includes('SIGINT'))).toMatch(
        /SIGINT: saving a checkpoint; Ctrl-C again after 2 s quits at once$/,
      );
      expect(lines.at(-2)).toMatch(
        new RegExp(`saved runs/a/${checkpoint}; resume with: npx sparring train --resume runs/a$`),
      );
      expect(existsSync(join(cwd, 'runs/a', checkpoint))).toBe(true);

      const resumed = started(commandOf(['train', '--resume', 'runs/a']));
      expect(await resumed.finished).toBe(0);
      // nothing is drawn over the table: plain text from its first line to the end
      const [progress, end] = resumed.text().split(/(?=┌)/) as [string, string];
      expect(progress).toContain('resuming runs/a');
      expect(stripVTControlCharacters(end)).toBe(end);
      const table = end.split('\r\n');
      expect(table.slice(0, 6).map((line) => line[0])).toEqual(['┌', '│', '├', '│', '│', '└']);
      const files = table.findIndex((line) => line.startsWith('runs/'));
      // a tiny attacker has one trick
      expect(table.slice(6, files).join(' ')).toMatch(
        /^[\d.]+ % of the attacked images are read as \d; without /,
      );
      expect(table.slice(files)).toEqual([
        ...['report.html', 'result.json', 'metrics.jsonl'].map((name) => `runs/a/${name}`),
        ...['classifier-c1.onnx', 'classifier-c2.onnx', 'attacker.onnx', 'samples.png'].map(
          (name) => `runs/a/consecutive-eps0.3-seed5/${name}`,
        ),
        '',
      ]);
    },
    patience,
  );

  it(
    'a terminal that goes away saves a checkpoint, which a run of 44 columns resumes without a broken line',
    async () => {
      const terminal = started(commandOf(newRun('runs/b')));
      await terminal.says('attacker epoch 1/2');
      terminal.process.kill('SIGKILL');
      while (!existsSync(join(cwd, 'runs/b', checkpoint))) await sleep(50);
      while (existsSync(join(cwd, 'runs/b/run.lock'))) await sleep(50);

      const resumed = started(commandOf(['train', '--resume', 'runs/b']), 44);
      expect(await resumed.finished).toBe(0);
      const lines = resumed.text().split('\r\n');
      const table = lines.slice(lines.findIndex((line) => line.endsWith('accuracy (loss)')));
      expect(table.filter((line) => /% \(/.test(line))).toHaveLength(6);
      const redraw = new RegExp(`${String.fromCharCode(27)}\\[(?:2K|\\d*G)`);
      for (const line of lines.filter((each) => !each.startsWith('runs/b/'))) {
        const drawn = line.split(redraw).map((each) => stripVTControlCharacters(each).trim());
        expect(drawn.filter((each) => each.length > 44)).toEqual([]);
      }
    },
    patience,
  );

  it(
    'Ctrl-C ends a server once, although the package runner relays it',
    async () => {
      expect(await sparring(['train', '--resume', 'runs/a'], { cwd })).toMatchObject({ code: 0 });
      const serve = commandOf([
        'serve',
        '--run',
        'runs/a',
        '--port',
        '0',
        '--workers',
        '1',
        '--log-level',
        'error',
      ]);
      const terminal = started([...relay, ...serve], 200);
      await terminal.says(' serves ');
      terminal.type('\x03');
      const code = await terminal.finished;
      expect(terminal.text()).toContain('SIGINT: finishing the requests in progress');
      expect(code).toBe(0);
    },
    patience,
  );
});
