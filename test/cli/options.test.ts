import { describe, expect, it } from 'vitest';
import { program } from '../../src/cli/main.ts';
import { eps, folder, listOf } from '../../src/cli/options.ts';

describe('eps', () => {
  it.each([
    ['0.16', 0.16],
    ['1', 1],
    ['8/255', 8 / 255],
    ['0.5/255', 0.5 / 255],
    [' 16 / 255 ', 16 / 255],
    ['1e-7', 1e-7],
  ])('"%s" is %d', (text, value) => {
    expect(eps(text)).toBe(value);
  });

  it('may be a list of both forms', () => {
    expect(listOf(eps)('8/255,0.16')).toEqual([8 / 255, 0.16]);
  });

  it('is listed twice in two forms of one value', () => {
    expect(() => listOf(eps)('0.5,1/2')).toThrow('0.5 is listed twice in 0.5,1/2.');
  });
});

describe('an option that is repeated', () => {
  const parsed = (name: string, ...words: readonly string[]) => {
    const command = program().commands.find((one) => one.name() === name)!;
    return { ...command.parseOptions([...words]), ...command.opts() };
  };

  it.each([
    ['serve', '--attacker', 'attacker'],
    ['serve', '--cors', 'cors'],
    ['serve', '--allow-host', 'allowHost'],
    ['audit', '--attacker', 'attacker'],
  ])('%s %s takes one value, and leaves the model', (command, option, name) => {
    expect(parsed(command, option, 'a', 'model.onnx')).toMatchObject({
      operands: ['model.onnx'],
      [name]: ['a'],
    });
    expect(parsed(command, 'model.onnx', option, 'a', option, 'b')).toMatchObject({ [name]: ['a', 'b'] });
  });

  it('is the only kind that takes several values, but for lists of folders', () => {
    const variadic = program().commands.flatMap(({ options }) => options.filter((one) => one.variadic));
    expect(variadic.map(({ long }) => long)).toEqual(['--merge', '--also']);
  });
});

describe('a folder', () => {
  it.each([
    ['site', 'site'],
    ['site/', 'site'],
    ['a/b//', 'a/b'],
    ['/', '/'],
    ['./', '.'],
  ])('"%s" is "%s"', (text, path) => {
    expect(folder(text)).toBe(path);
  });
});
