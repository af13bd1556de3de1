import { afterEach, describe, expect, it, vi } from 'vitest';
import { main, program } from '../../src/cli/main.ts';
import { presets } from '../../src/cli/options.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

async function help(command: string): Promise<string> {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  expect(await main([command, '--help'])).toBe(0);
  return text;
}

const commands = program().commands.map((command) => command.name());

describe.each(commands)('sparring %s --help', (command) => {
  it('has examples of the command', async () => {
    const [, examples] = (await help(command)).split('\nExamples:\n') as [string, string];
    const lines = examples.trimEnd().split('\n');
    expect(lines.filter((line) => !line.startsWith(`  sparring ${command}`))).toEqual([]);
  });

  it('writes defaults as they are typed', async () => {
    expect(await help(command)).not.toContain('default: [');
  });
});

it('every option of an example is an option of its command', async () => {
  for (const command of program().commands) {
    const [, examples = ''] = (await help(command.name())).split('\nExamples:\n');
    const known = command.options.flatMap(({ long }) => long ?? []);
    expect(known).toEqual(expect.arrayContaining(examples.match(/--[a-z-]+/g) ?? []));
  }
});

describe('sparring train --help', () => {
  it('groups its options', async () => {
    const titles = (await help('train')).match(/^[A-Z][a-z]+:$/gm);
    expect(titles).toEqual(['Run:', 'Data:', 'Attack:', 'Training:', 'Classifier:', 'Options:', 'Examples:']);
  });

  it('names the settings of a preset as their options, with values that they take', async () => {
    const text = (await help('train')).replaceAll(/\s+/g, ' ');
    expect(text).toContain(
      'quick: --mode consecutive --eps 0.16 --bound tanh --clip --seed 1 --batch-size 100 --classifier-epochs 2 ' +
        '--attacker-epochs 1 --learning-rate 0.001',
    );
    expect(text).toContain(
      `paper: --mode consecutive,alternating --eps ${presets.paper.eps.join(',')} --bound tanh`,
    );
  });

  it.each(['--eps', '--mode', '--bound', '--classifier-epochs', '--batch-size', '--seed', '--data', '--out'])(
    'says what %s is by default',
    async (option) => {
      const text = (await help('train')).replaceAll(/\s+/g, ' ');
      const [description] = text.split(` ${option} <`)[1]!.split(/ --(?!resume, where)/);
      expect(description).toContain('(default: ');
    },
  );
});
